"""What an encoder is fed, and how it is trained without labels."""

from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, model_validator

from myocard.data.signal import Band, Preprocessing
from myocard.leads import LEADS, parse_leads
from myocard.recipe.settings import Settings

SizeName = Literal["nano", "tiny", "small", "base"]
PresetName = Literal["stmem", "ecgsoup"]
MaskedName = Literal["mae", "mtae", "mlae", "mae-rlm", "mtae-rlm"]
ObjectiveName = Literal[MaskedName, "simclr", "moco", "cmsc", "cmlc", "cpc", "jepa"]

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
    decoder: Literal["full", "hidden"] = Field(
        default="full",
        description="of a masked autoencoder: one that decodes every patch, or (our extension) "
        "one that decodes the hidden patches alone",
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
        if self.decoder != "full" and self.objective not in ("mae", "mtae"):
            raise ValueError(
                'decoder = "hidden" is for mae and mtae, which hide as much of every lead'
            )
        if self.objective in ("cmlc", "mlae") and len(self.input.preprocessing().leads) < 2:
            raise ValueError(f"{self.objective} needs two leads or more")
        if self.optimisation.accumulate > 1 and self.objective not in get_args(MaskedName):
            raise ValueError(
                f"optimisation.accumulate must be 1 for {self.objective}: its negatives and its "
                "slow copy go by the batch of one forward pass; use a larger batch"
            )
        return self
