"""The file of a benchmark, as written."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from myocard.benchmark.corpora import Corpus, StoreSettings
from myocard.recipe import InputSettings, Settings

LeadSet = Literal["12", "limb-6", "I-II-V2", "II", "I"]


class TokenSweep(Settings):
    """Probes of some encoders on one store, token by token: every task.

    Attributes:
        encoders: Names, and those of random encoders; None for all.
        probing: Keys of ``TokenProbeRecipe``. Split, seeds, ``min_positives`` and ``resamples`` are
            the benchmark's if not given.
    """

    store: str
    tasks: tuple[str, ...] = Field(min_length=1)
    encoders: tuple[str, ...] | None = None
    probing: dict[str, Any] = {}


class Sweep(TokenSweep):
    """Probes of pooled states: every task under every fraction and lead set.

    Attributes:
        probing: Keys of ``ProbeRecipe`` that differ from the benchmark's.
    """

    fractions: tuple[float, ...] = (1.0,)
    lead_sets: tuple[LeadSet, ...] = ("12",)


class Transfer(Settings):
    """Probes of a store's sweeps, under all labels and leads, scored on another store."""

    origin: str = Field(alias="from")
    to: str
    tasks: tuple[str, ...] = Field(min_length=1)
    folds: tuple[int, ...] | None = Field(default=None, description="of the other store, or all")


class Baselines(Settings):
    """A supervised baseline on a store: its recipe on every task, under every fraction of labels.

    Attributes:
        recipe: Keys of its recipe. Split, seeds, ``min_positives`` and ``resamples`` are the
            benchmark's if not given.
    """

    store: str
    tasks: tuple[str, ...] = Field(min_length=1)
    fractions: tuple[float, ...] = (1.0,)
    recipe: dict[str, Any] = {}


class Anatomies(Settings):
    """Measures of every layer of some encoders on a store, under the curve of a task's probes.

    Attributes:
        encoders: Names, and those of random encoders; None for all.
        records: Of each split, to use at most.
    """

    store: str
    task: str
    encoders: tuple[str, ...] | None = None
    records: int = Field(default=512, ge=10)


class GridSettings(Settings):
    """The file, as written.

    Attributes:
        input: Of all stores and encoders.
        corpora: What encoders are pretrained on, by name.
        pretraining: Keys of ``PretrainRecipe`` that the encoders share.
        encoders: What each has of its own. ``corpus`` is a name from ``corpora`` or a list of
            parts; ``store`` in a part is a name from ``stores``.
        checkpoints: Folders of encoders that exist already.
        random: Seeds of encoders with random weights, one of each shape.
        probing: Keys of ``ProbeRecipe`` that the sweeps share.
    """

    input: InputSettings = InputSettings()
    stores: dict[str, StoreSettings] = Field(min_length=1)
    corpora: dict[str, Corpus] = {}
    pretraining: dict[str, Any] = {}
    encoders: tuple[dict[str, Any], ...] = ()
    checkpoints: tuple[Path, ...] = ()
    random: tuple[int, ...] = (0,)
    probing: dict[str, Any] = {}
    sweeps: tuple[Sweep, ...] = Field(min_length=1)
    token_probes: tuple[TokenSweep, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    baselines: tuple[Baselines, ...] = ()
    anatomies: tuple[Anatomies, ...] = ()
