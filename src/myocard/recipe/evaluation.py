"""How labels are learned from and who is scored: probes, baselines, fine-tuning."""

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from myocard.recipe.pretraining import Optimisation, SizeName
from myocard.recipe.settings import Settings, check, read_content

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
BaselineName = Literal["minirocket", "xresnet1d101", "s4d", "vit"]


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("each may be given once")
    return values


def _penalised_once(optimisation: Optimisation) -> Optimisation:
    # Parameters of a stack have three more dimensions: decay could not tell bias from matrix.
    if optimisation.weight_decay:
        raise ValueError("weight_decay must be 0; use penalties")
    return optimisation


ProbeOptimisation = Annotated[Optimisation, AfterValidator(_penalised_once)]
Seeds = Annotated[tuple[int, ...], Field(min_length=1), AfterValidator(_distinct)]
Fraction = Annotated[
    float, Field(gt=0, le=1, description="of the training records, drawn by patient and seed")
]
Penalties = Annotated[
    tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_distinct)
]


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
    head's matrices) is chosen on validation, for each seed on its own. ``optimisation`` is of what
    is learned step by step: mixtures with weights of their own, and the head ``mlp``. The linear
    head is solved.
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
    optimisation: ProbeOptimisation = Optimisation(
        epochs=50, base_learning_rate=8e-3, weight_decay=0.0, precision="fp32"
    )


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
    optimisation: ProbeOptimisation = Optimisation(
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
    model: BaselineName = "minirocket"
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
    model: BaselineName
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


BaselineRecipe = RocketRecipe | NetworkRecipe


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


def read_baseline(path: Path) -> BaselineRecipe:
    """Read and check the recipe of the baseline that its ``model`` names, as ``read_recipe``."""
    return check_baseline(read_content(path), str(path))


def check_baseline(content: dict[str, Any], where: str) -> BaselineRecipe:
    """Settings of the baseline that the key ``model`` names, as ``check``."""
    if content.get("model") in {*get_args(BaselineName)} - {"minirocket"}:
        return check(NetworkRecipe, content, where)
    return check(RocketRecipe, content, where)
