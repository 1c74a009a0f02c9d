"""The input of an encoder, and how it is trained without labels."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from myocard.data.signal import Band, Preprocessing
from myocard.leads import LEADS, parse_leads
from myocard.nn.sizes import SIZES
from myocard.recipe.settings import Settings, one_of

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

PresetName = Annotated[str, AfterValidator(one_of(PRESETS))]
SizeName = Annotated[str, AfterValidator(one_of(SIZES))]


class InputSettings(Settings):
    """The input of an encoder: a preset, and what differs from it."""

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
    """Some records of a store: those in ``folds`` (or all) that carry ``code`` (if given)."""

    store: str | None = Field(
        default=None, description="name of a store that is given beside the recipe; any, if not set"
    )
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
    all layers, or with ``mixture_layers`` the mean of that many last ones.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    corpus: tuple[CorpusPart, ...] = Field(min_length=1)
    watch: CorpusPart | None = Field(
        default=None, description="records; the reconstruction of the first of them is drawn"
    )
    input: InputSettings = InputSettings()
    size: SizeName = "tiny"
    objective: str = "mae"
    mixture: str = "last"
    mixture_layers: int | None = Field(
        default=None, ge=1, description="of the mean, counted from the last block (our extension)"
    )
    decoder: Literal["full", "hidden"] = Field(
        default="full",
        description="of a masked autoencoder: one that decodes every patch, or (our extension) "
        "one that decodes the hidden patches alone",
    )
    initialisation: Literal["published", "aligned"] = Field(
        default="published",
        description="of attention and lead embeddings: that of ST-MEM, or (our extension) one in "
        "which tokens attend to their like from the first step",
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
