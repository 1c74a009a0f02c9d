"""A benchmark's file, as written."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from myocard.benchmark.corpora import Corpus, StoreSettings
from myocard.leads import LEAD_SETS
from myocard.recipe import InputSettings, Settings
from myocard.recipe.settings import one_of

LeadSet = Annotated[str, AfterValidator(one_of(LEAD_SETS))]


class Sweep(Settings):
    """Probes of some encoders on one store: every task under every fraction and lead set.

    Attributes:
        encoders: Names, and those of random encoders; None for all.
        rotate: Folds that are tested one after the other, by probes that are trained on all others
            (``evaluation/crossfit.py``); none for the split of the recipe.
        probing: Keys of ``ProbeRecipe`` that differ from the benchmark's.
    """

    store: str
    tasks: tuple[str, ...] = Field(min_length=1)
    encoders: tuple[str, ...] | None = None
    fractions: tuple[float, ...] = (1.0,)
    lead_sets: tuple[LeadSet, ...] = ("12",)
    rotate: tuple[int, ...] = ()
    probing: dict[str, Any] = {}


class Transfer(Settings):
    """Probes of a store's sweeps, under all labels and leads, scored on another store."""

    origin: str = Field(alias="from")
    to: str
    tasks: tuple[str, ...] = Field(min_length=1)
    folds: tuple[int, ...] | None = Field(default=None, description="of the other store, or all")


class BaselineSweep(Settings):
    """A baseline on a store: its recipe on every task, under every fraction of labels.

    Attributes:
        recipe: Keys of its recipe. Keys that runs must share to be compared are the benchmark's
            if not given.
    """

    store: str
    tasks: tuple[str, ...] = Field(min_length=1)
    fractions: tuple[float, ...] = (1.0,)
    recipe: dict[str, Any] = {}


class LayerSweep(Settings):
    """Measures of every layer of some encoders on a store, under the curve of a task's probes.

    Attributes:
        encoders: Names, and those of random encoders; None for all.
        records: Most records of each split to use.
    """

    store: str
    task: str
    encoders: tuple[str, ...] | None = None
    records: int = Field(default=512, ge=10)


class BenchmarkSettings(Settings):
    """The settings in a benchmark's file.

    Attributes:
        input: Input of all stores and encoders.
        corpora: Records that encoders are pretrained on, by name.
        pretraining: Keys of ``PretrainRecipe`` that the encoders share.
        encoders: Settings that each has of its own. ``corpus`` is a name from ``corpora`` or a list
            of parts; ``store`` in a part is a name from ``stores``.
        checkpoints: Encoders that exist already, as ``models.checkpoint.load_encoder`` takes them.
            Several of one published model are named after their files too: ``ecg-fm-finetuned``.
        random: Seeds of encoders with random weights, one of each shape.
        refuse_seen: Refuse ``checkpoints`` that were pretrained on what they are tested on, as far
            as names of data sets tell, or on what nobody says; else results say so.
        probing: Keys of ``ProbeRecipe`` that the sweeps share.
    """

    input: InputSettings = InputSettings()
    stores: dict[str, StoreSettings] = Field(min_length=1)
    corpora: dict[str, Corpus] = {}
    pretraining: dict[str, Any] = {}
    encoders: tuple[dict[str, Any], ...] = ()
    checkpoints: tuple[Path, ...] = ()
    random: tuple[int, ...] = (0,)
    refuse_seen: bool = False
    probing: dict[str, Any] = {}
    sweeps: tuple[Sweep, ...] = Field(min_length=1)
    transfers: tuple[Transfer, ...] = ()
    baselines: tuple[BaselineSweep, ...] = ()
    layers: tuple[LayerSweep, ...] = ()
