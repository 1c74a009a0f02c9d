"""Settings of all that learns from labels and is scored: probes, baselines, fine-tuning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from myocard.recipe.pretraining import Optimisation, SizeName
from myocard.recipe.settings import Settings, check, find_recipe, read_content


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(values)) < len(values):
        raise ValueError("each may be given once")
    return values


def _penalised_once(optimisation: Optimisation) -> Optimisation:
    # Parameters of stacked models have more dimensions: decay could not tell bias from matrix.
    if optimisation.weight_decay:
        raise ValueError("weight_decay must be 0; use penalties")
    return optimisation


Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), AfterValidator(_distinct)]
Names = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_distinct)]
Fraction = Annotated[
    float, Field(gt=0, le=1, description="of the training records, drawn by patient and seed")
]
Penalties = Annotated[
    tuple[Annotated[float, Field(ge=0, le=1e30)], ...],
    Field(min_length=1),
    AfterValidator(_distinct),
]


class Split(Settings):
    """The purpose of each fold. PTB-XL's authors recommend 9 for validation and 10 for testing."""

    train: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)
    validation: tuple[int, ...] = (9,)
    test: tuple[int, ...] = (10,)

    @model_validator(mode="after")
    def _disjoint(self) -> "Split":
        folds = [*self.train, *self.validation, *self.test]
        if len(set(folds)) < len(folds):
            raise ValueError("a fold may serve one purpose only")
        return self


class Evaluation(Settings):
    """The settings that two runs must share to be compared in pairs, and their task."""

    task: str
    split: Split = Split()
    seeds: Seeds = (0, 1, 2)
    min_positives: int = Field(
        default=1, ge=1, description="in each of train, validation and test, to keep a class"
    )
    copies: Literal["refuse", "drop"] = Field(
        default="refuse",
        description="of records in two splits: refuse the task, or drop them from train, and from "
        "validation where test has them, and count them",
    )
    resamples: int = Field(default=1000, gt=0, description="of the bootstrap")

    @property
    def task_name(self) -> str:
        """Name of the task: the last part, where it is a folder."""
        return Path(self.task).name


class ProbeRecipe(Evaluation):
    """Readouts and heads trained on the states of a frozen encoder.

    Each is trained once for every seed and penalty; the penalty (of the squared weights of the
    head's matrices) is chosen on validation, for each seed on its own. The linear head on fixed
    features is solved; ``optimisation`` is for all else, which validation stops: ``epochs`` is the
    most that it may take, and its batch grows where there are many records
    (``optimisation_of``). Readouts of tokens are trained while the encoder runs, once a batch for
    all of them, their seeds and penalties.
    """

    readouts: Names = (
        "last",
        "layers",
        "ppa",
        "scalar-mix",
        "pma",
        "pma-frozen-gate",
        "concat",
        "alf",
    )
    heads: Names = ("linear", "mlp")
    penalties: Penalties = (1e-3, 1e-2, 1e-1, 1.0)
    fraction: Fraction = 1.0
    common_width: int | None = Field(
        default=None,
        gt=0,
        multiple_of=4,
        description="dimensions that each layer is mapped to, by principal components of the "
        "training records; by default layers are read as they are",
    )
    largest_batch: int = Field(
        default=512, gt=0, description="records of pooled states in one step, where there are many"
    )
    keep: float = Field(
        default=1.0, ge=0, description="GB of memory: tokens that all fit are computed once"
    )
    optimisation: Annotated[Optimisation, AfterValidator(_penalised_once)] = Optimisation(
        epochs=100,
        base_learning_rate=8e-3,
        schedule="constant",
        weight_decay=0.0,
        precision="fp32",
        checkpoint_every=20,
    )

    @model_validator(mode="after")
    def _mapped_by_all(self) -> "ProbeRecipe":
        if self.common_width is not None and self.fraction < 1:
            raise ValueError("common_width is fitted on all training records; leave fraction at 1")
        return self

    def optimisation_of(self, records: int) -> Optimisation:
        """The optimisation of readouts of pooled states that are trained on ``records``.

        A batch grows from that of ``optimisation`` to ``largest_batch``, as long as an epoch has 25
        steps. The rate grows with its square root, as AdamW's should (Malladi et al. 2022): a rate
        in proportion ended PMA early on wide states. More steps an epoch take longer to the same
        scores (docs/performance.md, "All readouts").
        """
        stated = self.optimisation
        most = min(self.largest_batch, records // 25) // stated.accumulate
        batch = max(stated.batch, most)
        base = stated.base_learning_rate * (stated.batch / batch) ** 0.5
        return stated.model_copy(update={"batch": batch, "base_learning_rate": base})

    def alone(self, readout: str, head: str) -> "ProbeRecipe":
        """The recipe of one readout under one head."""
        return self.model_copy(update={"readouts": (readout,), "heads": (head,)})


class RocketRecipe(Evaluation):
    """Ridge regression on MiniRocket features, its penalty chosen on validation."""

    model: Literal["minirocket"] = "minirocket"
    features: int = Field(default=9996, ge=84)
    penalties: Penalties = (1e1, 1e2, 1e3, 1e4, 1e5)
    fraction: Fraction = 1.0


class NetworkRecipe(Evaluation):
    """A network trained from scratch on random windows, without a look at validation.

    A record's scores are the mean over ``crops`` windows spread evenly over it.
    """

    model: str = Field(description="a network of evaluation/baselines")
    size: SizeName = Field(default="tiny", description="of vit and s4d; there is one xresnet1d101")
    seconds: float | None = Field(default=None, gt=0, description="of a window; all by default")
    patch: int = Field(default=50, gt=0, description="samples in a patch of vit")
    crops: int = Field(default=1, gt=0)
    fraction: Fraction = 1.0
    optimisation: Optimisation = Optimisation(
        epochs=50, warmup_epochs=5, base_learning_rate=4e-3, weight_decay=0.05
    )


BaselineRecipe = RocketRecipe | NetworkRecipe


class FinetuneRecipe(Evaluation):
    """Encoder, readout and head trained together, on random windows of each record.

    A record's scores are the mean over ``crops`` windows spread evenly over it.
    """

    start: Literal["checkpoint", "scratch"] = "checkpoint"
    readout: str = "pma"
    head: str = "mlp"
    seeds: Seeds = (0,)
    fraction: ClassVar[float] = 1.0
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="factor of the learning rate from a layer to the one below",
    )
    crops: int = Field(default=1, gt=0)
    optimisation: Optimisation = Optimisation(
        epochs=100, warmup_epochs=5, batch=16, base_learning_rate=1e-3, weight_decay=0.05
    )


def read_baseline(path: str | Path, changes: Sequence[str] = ()) -> BaselineRecipe:
    """Read and check a baseline's recipe, as ``read_recipe``."""
    file = find_recipe(path, "baseline")
    return check_baseline(read_content(file, changes), str(file))


def check_baseline(content: dict[str, Any], where: str) -> BaselineRecipe:
    """Check the settings of the baseline that the key ``model`` names, as ``check``."""
    if content.get("model", "minirocket") == "minirocket":
        return check(RocketRecipe, content, where)
    return check(NetworkRecipe, content, where)
