"""Settings: TOML in, validated and frozen models out; an unknown key is an error."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from myocard.data.signal import Band, Preprocessing
from myocard.errors import InputError
from myocard.leads import LEADS, parse_leads

SizeName = Literal["nano", "tiny", "small", "base"]
PresetName = Literal["stmem", "ecgsoup"]
ReadoutName = Literal[
    "last",
    "ppa",
    "ppa-normed",
    "pma",
    "pma-frozen-gate",
    "pma-last",
    "pma-mean",
    "scalar-mix",
    "scalar-mix-normed",
    "concat",
    "alf",
]
TokenReadoutName = Literal["attentive-tokens", "efficient-tokens", "alf-leads", "alf-tokens"]
HeadName = Literal["linear", "mlp"]
RivalName = Literal["minirocket", "xresnet1d101", "s4d", "vit"]
MaskedName = Literal["mae", "mtae", "mlae", "mae-rlm", "mtae-rlm"]
ObjectiveName = Literal[MaskedName, "simclr", "moco", "cmsc", "cmlc", "cpc", "jepa"]
Seeds = Annotated[tuple[int, ...], Field(min_length=1)]
Fraction = Annotated[
    float, Field(gt=0, le=1, description="of the training records, drawn by patient and seed")
]
Penalties = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1)]

# ST-MEM (arXiv 2402.09450) and ECG-Soup (arXiv 2509.00102) feed the same encoder differently.
PRESETS: dict[str, tuple[Preprocessing, int]] = {
    "stmem": (
        Preprocessing(250, 2250, LEADS, Band(highpass=0.67, lowpass=40.0), standardise="record"),
        75,
    ),
    "ecgsoup": (
        Preprocessing(
            100,
            1000,
            ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6", "III", "aVR", "aVL", "aVF"),
            standardise="lead",
        ),
        50,
    ),
}


class Settings(BaseModel):
    """Frozen, and closed to keys it does not know.

    A table within a table names what differs from its default there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _with_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        return {
            name: dict(defaults[name]) | value
            if isinstance(value, dict) and isinstance(defaults.get(name), Settings)
            else value
            for name, value in given.items()
        }


class InputSettings(Settings):
    """What the encoder is fed: a preset, and what differs from it."""

    preset: PresetName = "ecgsoup"
    highpass: float | None = Field(default=None, gt=0, description="Hz")
    lowpass: float | None = Field(default=None, gt=0, description="Hz")
    leads: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _possible(self) -> "InputSettings":
        self.preprocessing()  # refuses an unknown lead, or a low-pass above half the rate
        return self

    def preprocessing(self) -> Preprocessing:
        preset, _ = PRESETS[self.preset]
        band = Band(self.highpass or preset.band.highpass, self.lowpass or preset.band.lowpass)
        leads = preset.leads if self.leads is None else parse_leads(self.leads)
        return Preprocessing(preset.rate, preset.samples, leads, band, preset.standardise)

    @property
    def patch(self) -> int:
        return PRESETS[self.preset][1]


class CorpusPart(Settings):
    """Some records of a store: those of ``folds`` (or all) that carry ``code`` (if given)."""

    store: Path
    folds: tuple[int, ...] | None = None
    code: str | None = None


class Optimisation(Settings):
    """AdamW with a linear warm-up, then a cosine to zero or a constant rate.

    The learning rate is ``base_learning_rate`` × records per step / 256 (Goyal et al. 2017), as in
    the published code of both methods.
    """

    epochs: float = Field(gt=0)
    warmup_epochs: float = Field(default=0, ge=0)
    batch: int = Field(default=64, gt=0, description="records in one forward pass")
    accumulate: int = Field(default=1, gt=0, description="forward passes in one step")
    base_learning_rate: float = Field(gt=0)
    schedule: Literal["cosine", "constant"] = "cosine"
    weight_decay: float = Field(ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    seed: int = 0
    checkpoint_every: int = Field(default=200, gt=0, description="steps")
    workers: int = Field(default=0, ge=0, description="processes that read batches")

    @property
    def learning_rate(self) -> float:
        return self.base_learning_rate * self.batch * self.accumulate / 256


class PretrainRecipe(Settings):
    """Self-supervised pretraining of an encoder.

    ``mixture`` is what the decoder of a masked autoencoder reads: the last layer, or the mean of
    all or, with ``mixture_layers``, of so many last ones.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    corpus: tuple[CorpusPart, ...] = Field(min_length=1)
    watch: CorpusPart | None = Field(
        default=None, description="records of which the first is drawn as the model completes it"
    )
    input: InputSettings = InputSettings()
    size: SizeName = "tiny"
    objective: ObjectiveName = "mae"
    mixture: Literal["last", "mean"] = "last"
    mixture_layers: int | None = Field(
        default=None, ge=1, description="of the mean, counted from the last block (our extension)"
    )
    mask_ratio: float = Field(
        default=0.75, gt=0, lt=1, description="of what masked objectives and jepa hide"
    )
    optimisation: Optimisation = Optimisation(
        epochs=800,
        warmup_epochs=40,
        base_learning_rate=1.5e-4,
        weight_decay=0.01,
        betas=(0.9, 0.95),
    )

    @model_validator(mode="after")
    def _possible(self) -> "PretrainRecipe":
        if self.mixture_layers is not None and self.mixture != "mean":
            raise ValueError('mixture_layers is for mixture = "mean"')
        if self.mixture != "last" and self.objective not in get_args(MaskedName):
            raise ValueError(f"mixture is for a decoder, which {self.objective!r} has not")
        if self.objective in ("cmlc", "mlae") and len(self.input.preprocessing().leads) < 2:
            raise ValueError(f"{self.objective} needs two leads or more")
        if self.optimisation.accumulate > 1 and self.objective not in get_args(MaskedName):
            raise ValueError(
                f"optimisation.accumulate must be 1 for {self.objective}: its negatives and its "
                "slow copy go by the batch of one forward pass; use a larger batch"
            )
        return self


class Split(Settings):
    """Which folds are for what. PTB-XL's authors recommend 9 for validation and 10 for testing."""

    train: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    validation: tuple[int, ...] = (9,)
    test: tuple[int, ...] = (10,)

    @model_validator(mode="after")
    def _disjoint(self) -> "Split":
        folds = [*self.train, *self.validation, *self.test]
        if len(set(folds)) < len(folds):
            raise ValueError("a fold may serve one purpose only")
        return self


class ProbeRecipe(Settings):
    """Readouts and heads trained on cached states.

    Each is trained once for every seed and penalty; the penalty (of the squared weights of the
    head's matrices) is chosen on validation, for each seed on its own.
    """

    task: str
    readouts: Annotated[tuple[Literal[ReadoutName, "layers"], ...], Field(min_length=1)] = (
        "last",
        "layers",
        "ppa",
        "scalar-mix",
        "pma",
        "pma-frozen-gate",
        "concat",
        "alf",
    )
    heads: Annotated[tuple[HeadName, ...], Field(min_length=1)] = ("linear", "mlp")
    split: Split = Split()
    seeds: Seeds = (0, 1, 2)
    penalties: Penalties = (1e-3, 1e-2, 1e-1, 1.0)
    fraction: Fraction = 1.0
    min_positives: int = Field(
        default=1, ge=1, description="in each of train, validation and test, to keep a class"
    )
    resamples: int = Field(default=1000, gt=0)
    optimisation: Optimisation = Optimisation(
        epochs=50, base_learning_rate=8e-3, weight_decay=0.0, precision="fp32"
    )

    @model_validator(mode="after")
    def _penalised_once(self) -> "ProbeRecipe":
        # Parameters of a stack have three more dimensions: decay could not tell bias from matrix.
        if self.optimisation.weight_decay:
            raise ValueError("optimisation.weight_decay must be 0; use penalties")
        return self


class TokenProbeRecipe(Settings):
    """Readouts of tokens, trained while the frozen encoder runs over the records.

    All seeds and penalties learn from the same batches, so that the encoder runs once for all of
    them: seeds differ in the weights they start from. The penalty, of the squared weights of the
    head's matrices, is chosen on validation, for each seed on its own.
    """

    task: str
    readouts: Annotated[tuple[TokenReadoutName, ...], Field(min_length=1)] = (
        "attentive-tokens",
        "efficient-tokens",
        "alf-leads",
    )
    heads: Annotated[tuple[HeadName, ...], Field(min_length=1)] = ("linear",)
    split: Split = Split()
    seeds: Seeds = (0, 1, 2)
    penalties: Penalties = (1e-3, 1e-2, 1e-1)
    min_positives: int = Field(default=1, ge=1)
    resamples: int = Field(default=1000, gt=0)
    optimisation: Optimisation = Optimisation(
        epochs=20,
        base_learning_rate=8e-3,
        weight_decay=0.0,
        precision="fp32",
        checkpoint_every=20,
    )
    keep: float = Field(
        default=1.0, ge=0, description="GB of memory: tokens that all fit are computed once"
    )


class RocketRecipe(Settings):
    """Ridge regression on MiniRocket features, its penalty chosen on validation."""

    task: str
    model: RivalName = "minirocket"
    features: int = Field(default=9996, ge=84)
    split: Split = Split()
    seeds: Seeds = (0, 1, 2)
    penalties: Penalties = (1e1, 1e2, 1e3, 1e4, 1e5)
    fraction: Fraction = 1.0
    min_positives: int = Field(default=1, ge=1)
    resamples: int = Field(default=1000, gt=0)


class NetworkRecipe(Settings):
    """A network trained from scratch on random windows, without a look at validation.

    A record's scores are the mean over ``crops`` windows spread evenly over it.
    """

    task: str
    model: RivalName
    size: SizeName = Field(default="tiny", description="of vit and s4d; there is one xresnet1d101")
    seconds: float | None = Field(default=None, gt=0, description="of a window; all by default")
    patch: int = Field(default=50, gt=0, description="samples in a patch of vit")
    crops: int = Field(default=1, gt=0)
    split: Split = Split()
    seeds: Seeds = (0, 1, 2)
    fraction: Fraction = 1.0
    min_positives: int = Field(default=1, ge=1)
    resamples: int = Field(default=1000, gt=0)
    optimisation: Optimisation = Optimisation(
        epochs=50, warmup_epochs=5, base_learning_rate=4e-3, weight_decay=0.05
    )


YardstickRecipe = RocketRecipe | NetworkRecipe


class FinetuneRecipe(Settings):
    """Encoder, readout and head trained together, on random windows of each record.

    A record's scores are the mean over ``crops`` windows spread evenly over it.
    """

    task: str
    start: Literal["checkpoint", "scratch"] = "checkpoint"
    readout: ReadoutName = "pma"
    head: HeadName = "mlp"
    split: Split = Split()
    seeds: Seeds = (0,)
    crops: int = Field(default=1, gt=0)
    min_positives: int = Field(default=1, ge=1)
    resamples: int = Field(default=1000, gt=0)
    optimisation: Optimisation = Optimisation(
        epochs=100, warmup_epochs=5, batch=16, base_learning_rate=1e-3, weight_decay=0.05
    )


Recipe = TypeVar("Recipe", bound=Settings)


def read_recipe(path: Path, kind: type[Recipe]) -> Recipe:
    """Read and check the recipe in a TOML file.

    Raises:
        InputError: For a file that is missing or no TOML, an unknown or missing key, or a wrong
            value.
    """
    return check(kind, _content(path), str(path))


def read_yardstick(path: Path) -> YardstickRecipe:
    """Read and check the recipe of the yardstick that its ``model`` names, as ``read_recipe``."""
    return check_yardstick(_content(path), str(path))


def check_yardstick(content: dict[str, Any], where: str) -> YardstickRecipe:
    """Settings of the yardstick that the key ``model`` names, as ``check``."""
    if content.get("model") in {*get_args(RivalName)} - {"minirocket"}:
        return check(NetworkRecipe, content, where)
    return check(RocketRecipe, content, where)


def _content(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a readable TOML recipe ({error})") from error


def check(kind: type[Recipe], content: dict[str, Any], where: str) -> Recipe:
    """Settings of a kind from outside values.

    Raises:
        InputError: Naming ``where`` they came from, the key and what it may be.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{where}: {_explain(error, kind)}") from error


def _explain(error: ValidationError, kind: type[Settings]) -> str:
    problems = []
    for problem in error.errors():
        if problem["type"] == "too_short" and problem["input"]:
            continue  # its items were refused, each with its own message
        key = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            choices = ", ".join(_settings_at(problem["loc"], kind).model_fields)
            problems.append(f"unknown key {key!r}; the keys are {choices}")
        else:
            message = problem["msg"].removeprefix("Value error, ")
            problems.append(f"{key}: ".removeprefix(": ") + message[0].lower() + message[1:])
    return "; ".join(problems)


def _settings_at(place: tuple[int | str, ...], kind: type[Settings]) -> type[Settings]:
    """The settings that a key lies in, also within a tuple or an optional field."""
    for part in place:
        if part in kind.model_fields:
            annotation = kind.model_fields[str(part)].annotation
            inner = [annotation, *get_args(annotation)]
            kind = next((t for t in inner if isinstance(t, type) and issubclass(t, Settings)), kind)
    return kind
