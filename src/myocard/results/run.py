"""One run on disk: ``run.json``, the one schema that every program writes and reads."""

import platform
import shlex
import sys
from importlib.metadata import version
from typing import Literal

from pydantic import Field

from myocard.data.corpora import shared
from myocard.metrics.summary import Frozen, Metrics
from myocard.outcomes import CLASSES
from myocard.recipe import FinetuneRecipe, NetworkRecipe, ProbeRecipe, RocketRecipe
from myocard.results.classifier import SHAPE, ClassifierShape, SplitInfo
from myocard.results.document import Document
from myocard.results.mixture import Mixture

RUN = "run.json"
BEST_LAYER = "best-layer"
"""The readout that reads in every rotation the layer that is best on its validation fold."""

SplitName = Literal["validation", "test"]
LeakCheck = Literal["records", "names", "none"]
"""Knowledge of an encoder's pretraining: hashes of its records, names of data sets, nothing."""


class EncoderInfo(Frozen):
    """A model as tables name it.

    Attributes:
        hash: Hash of its weights and stated input; None for a model without an encoder.
        random: True if its weights are random.
        mixture: Input of its pretraining's decoder: ``last`` (ST-MEM) or ``mean`` (IPASTMEM).
        layers: Number of its hidden states, the embedding among them.
        layer_names: Names of its hidden states, where they tell more than numbers.
        ends: Sentence on what its first and last hidden states are, of a published model.
        width: Width of its states.
        preset: Name of its input.
        pretraining: Hash of all of its pretraining but the mixture.
        sources: Records of each data set that it was pretrained on.
        datasets: Names of data sets that it was pretrained on, where no record of them is known.
        leak_check: Way in which held-out records were compared with those it was pretrained on.
    """

    name: str
    hash: str | None = None
    random: bool = False
    mixture: str | None = None
    layers: int | None = None
    layer_names: tuple[str, ...] | None = None
    ends: str | None = None
    width: int | None = None
    preset: str | None = None
    pretraining: str | None = None
    sources: dict[str, int] | None = None
    datasets: tuple[str, ...] | None = None
    leak_check: LeakCheck | None = None

    @property
    def architecture(self) -> tuple[str | None, int | None, int | None]:
        """The fields in which an encoder and its random control agree."""
        return self.preset, self.layers, self.width


class Choice(Frozen):
    """The penalty that was chosen for a seed, and the leading metric on validation."""

    seed: int
    penalty: float
    validation: float


class Stop(Frozen):
    """The end of a training that validation stops (``evaluation/probing/stopping.py``).

    Attributes:
        seed: Its seed.
        step: The step that was kept.
        steps: All steps that were made.
        batch: Records of a step (``largest_batch`` lets it grow).
        settled: True if that step is in their first half: twice the steps changed nothing.
    """

    seed: int
    step: int
    steps: int
    batch: int
    settled: bool


class CodeWeights(Frozen):
    """The mean layer weights of the records that carry a code."""

    records: int
    mean: tuple[float, ...]


class Entropy(Frozen):
    """Entropy of a record's layer weights in nats: mean, share of equal weights', quantiles."""

    mean: float
    share: float
    quantiles: dict[str, float] = {}


class LayerWeights(Frozen):
    """Share of each layer in a readout, the embedding first.

    Attributes:
        split: The records that are averaged over.
        mean: Mean over all of them.
        by_class: Mean over the positives of each class; None where there is none.
        by_code: Mean over the records of each code that several have.
        entropy: Entropy of single records' weights.
        divergence: Mean KL divergence in nats of a record's weights from their mean.
        between_records: Share of the squared distance from equal weights that lies between records.
    """

    split: SplitName
    mean: tuple[float, ...]
    by_class: dict[str, tuple[float, ...] | None] = {}
    by_code: dict[str, CodeWeights] = {}
    entropy: Entropy | None = None
    divergence: float | None = None
    between_records: float | None = None


class Hashes(Frozen):
    """Hashes of what a run was made from.

    Attributes:
        store: The records that were scored on test.
        encoder: Weights and stated input.
        trained_on: The store of training and validation, where that is another one.
        probe: The classifiers that were scored, or that a fine-tuning started from.
    """

    store: str
    encoder: str | None = None
    trained_on: str | None = None
    probe: str | None = None


class TransferInfo(Frozen):
    """Settings of a transfer: the folds of the other store, and the names of the two."""

    folds: tuple[int, ...] | None = None
    stores: tuple[str, str] | None = None


class Run(Document, ClassifierShape):
    """All that ``run.json`` says.

    Attributes:
        labels: Hash of the task's labels, where they do not come with the records.
        source: The data set of the test records.
        trained_on: The data set of training and validation, where that is another one.
        mixtures: The path of each seed's mixture, where it was solved.
        stops: The end of each seed's training, where validation stopped it.
        rotations: Number of probes that scored the test records, each those of a fold of its own,
            where they were cross-fitted; scores are standardised fold by fold, no probabilities.
        static_mixtures: Leading metric by split of a gated readout whose records all get the mean
            weights: ``substituted`` under its own head, ``refitted`` under one trained for them.
        seconds: Time that training and scoring took, with the probes that were trained beside it.
        encoding_seconds: Time that the encoder took for a record, where states were cached.
    """

    FILE = RUN
    FIX = "give the folder of a run, or run its program again"

    version: Literal[3] = Field(default=3, alias="schema")
    kind: Literal["probe", "finetune", "baseline"]
    name: str
    encoder: EncoderInfo
    labels: str | None = None
    source: str
    trained_on: str | None = None
    leads: tuple[str, ...]
    fraction: float = 1.0
    classes_left_out: dict[str, str] = {}
    splits: dict[str, SplitInfo]
    seeds: tuple[int, ...]
    chosen: tuple[Choice, ...] = ()
    validation: Metrics
    test: Metrics | None = None
    layer_weights: LayerWeights | None = None
    mixtures: tuple[Mixture, ...] = ()
    stops: tuple[Stop, ...] = ()
    static_mixtures: dict[str, dict[SplitName, float]] = {}
    hashes: Hashes
    recipe: ProbeRecipe | FinetuneRecipe | RocketRecipe | NetworkRecipe
    rotations: int | None = None
    transfer: TransferInfo | None = None
    seconds: float | None = None
    encoding_seconds: float | None = None
    versions: dict[str, str] = Field(default_factory=lambda: versions())
    command: str = Field(default_factory=lambda: command())

    @property
    def has_probabilities(self) -> bool:
        """False where scores rank records and are no probabilities."""
        return self.outcome in CLASSES and self.rotations is None and self.head != "ridge"

    @property
    def shape(self) -> ClassifierShape:
        return ClassifierShape(**{name: getattr(self, name) for name in SHAPE})

    @property
    def seen(self) -> tuple[str, ...]:
        """Data sets of its encoder's pretraining that hold tested records, as far as names tell."""
        return shared(self.encoder.datasets or (), self.source.split(" and "))

    def metrics(self, split: SplitName) -> Metrics | None:
        return self.test if split == "test" else self.validation


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on."""
    packages = ("myocard", "torch", "numpy", "scipy", "scikit-learn")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def command() -> str:
    """The command line of this process."""
    return shlex.join(["myocard", *sys.argv[1:]])
