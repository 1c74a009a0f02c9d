"""The pieces of a benchmark: every trial once, under the names of the encoders that there are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from myocard.benchmark.config import LayerSweep, Sweep, Transfer
from myocard.benchmark.corpora import HeldOut, StoreSettings
from myocard.errors import InputError
from myocard.nn.readouts.registry import TOKENS
from myocard.recipe import BaselineRecipe, InputSettings, PretrainRecipe, ProbeRecipe, Split


@dataclass(frozen=True)
class Condition:
    """One pass of one encoder: over which store, and reading which leads."""

    store: str
    lead_set: str
    encoder: str


@dataclass(frozen=True)
class Trial:
    """Probes under one condition, all seeds and penalties at once.

    The recipe has one readout and head; all readouts of tokens, which share the encoder's passes,
    are one trial.

    Attributes:
        rotate: Folds that are tested in turn, where the probes are cross-fitted.
    """

    condition: Condition
    recipe: ProbeRecipe
    rotate: tuple[int, ...] = ()

    @property
    def of_tokens(self) -> bool:
        return self.recipe.readouts[0] in TOKENS

    @property
    def place(self) -> Path:
        """The folder of its runs below the results, but for encoder, task and readout."""
        condition = self.condition
        kind = ("cross-fitted",) if self.rotate else ()
        return Path(
            condition.store,
            *kind,
            f"leads-{condition.lead_set}",
            f"labels-{self.recipe.fraction:g}",
        )

    @property
    def names(self) -> list[str]:
        """Name of each readout and head below the results."""
        recipe = self.recipe
        return [
            f"{self.place}/{self.condition.encoder}/{recipe.task}/{readout}-{head}"
            for readout, head in product(recipe.readouts, recipe.heads)
        ]


@dataclass(frozen=True)
class BaselineTrial:
    """One baseline on one task, all seeds at once."""

    store: str
    recipe: BaselineRecipe

    @property
    def place(self) -> Path:
        """The folder of its run below the results."""
        recipe = self.recipe
        share = f"labels-{recipe.fraction:g}"
        return Path(self.store, "baselines", share, recipe.task, recipe.model)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark, checked.

    Attributes:
        input: Input of all stores and encoders.
        stores: By name.
        pretrained: Recipes of encoders to train; a corpus names its stores.
        checkpoints: Encoders that exist already.
        random: Seeds of random encoders.
        refuse_seen: True to refuse encoders that may have been pretrained on what they are tested
            on.
        sweeps: Probes to train; ``trials`` lists them.
        transfers: Probes that are scored on another store than they were trained on.
        baselines: Models that the encoders should beat.
        layers: Encoders whose layers are measured, and the probes of these layers.
        without: Stores that must stay out of encoders' corpora.
    """

    input: InputSettings
    stores: Mapping[str, StoreSettings]
    pretrained: tuple[PretrainRecipe, ...]
    checkpoints: tuple[Path, ...]
    random: tuple[int, ...]
    refuse_seen: bool
    sweeps: tuple[tuple[Sweep, tuple[ProbeRecipe, ...]], ...]
    transfers: tuple[Transfer, ...]
    baselines: tuple[BaselineTrial, ...]
    layers: tuple[tuple[LayerSweep, ProbeRecipe], ...]
    without: tuple[HeldOut, ...] = ()

    def held_out(self) -> list[HeldOut]:
        """The records that each encoder trained here must not be pretrained on."""
        found = dict.fromkeys(self.without)
        probed: list[tuple[Sweep | LayerSweep, Split]] = []
        probed += [(sweep, recipe.split) for sweep, recipes in self.sweeps for recipe in recipes]
        probed += [(sweep, recipe.split) for sweep, recipe in self.layers]
        for (sweep, split), encoder in product(probed, self.pretrained):
            if sweep.encoders is None or encoder.name in sweep.encoders:
                rotated = sweep.rotate if isinstance(sweep, Sweep) else ()
                folds = tuple(sorted({*(rotated or (*split.validation, *split.test))}))
                found[HeldOut(encoder.name, sweep.store, folds)] = None
                for transfer in self.transfers:
                    if transfer.origin == sweep.store and isinstance(sweep, Sweep):
                        found[HeldOut(encoder.name, transfer.to, transfer.folds)] = None
        return list(found)

    def transferred(self, trials: Sequence[Trial]) -> list[tuple[Trial, Transfer]]:
        """Each of ``trials`` that is scored on another store, with where."""
        return [
            (trial, transfer)
            for trial, transfer in product(trials, self.transfers)
            if trial.condition.store == transfer.origin
            and trial.condition.lead_set == "12"
            and trial.recipe.fraction == 1
            and trial.recipe.task in transfer.tasks
            and not trial.of_tokens
            and not trial.rotate
        ]

    def conditions(self, trials: Sequence[Trial]) -> list[Condition]:
        """All conditions whose pooled states ``trials`` and their transfers read, once."""
        cached = [trial.condition for trial in trials if not trial.of_tokens]
        elsewhere = [
            replace(trial.condition, store=transfer.to)
            for trial, transfer in self.transferred(trials)
        ]
        return list(dict.fromkeys([*cached, *elsewhere]))

    def trials(self, encoders: Sequence[str]) -> list[Trial]:
        """Every trial once, under the names of the encoders that there are.

        Raises:
            InputError: When a sweep names an encoder that there is not, or two sweeps ask for the
                same trial with different settings.
        """
        known: dict[str, tuple[ProbeRecipe, tuple[int, ...]]] = {}
        trials: dict[Trial, None] = {}
        for sweep, recipes in self.sweeps:
            wanted = _among(encoders, sweep.encoders)
            for encoder, leads, recipe in product(wanted, sweep.lead_sets, recipes):
                trial = Trial(Condition(sweep.store, leads, encoder), recipe, sweep.rotate)
                trials[trial] = None
                for name, own in zip(trial.names, _alone(recipe), strict=True):
                    wanted_so = own, sweep.rotate
                    if known.setdefault(name, wanted_so) != wanted_so:
                        raise InputError(f"two sweeps ask for {name} with different settings")
        return list(trials)

    def layer_trials(self, encoders: Sequence[str]) -> list[tuple[Trial, int]]:
        """The probes of all layers of every encoder that is measured, and on how many records.

        Raises:
            InputError: For an encoder that there is not, or when a sweep asks for the same probes
                with different settings.
        """
        found = [
            (Trial(Condition(sweep.store, "12", encoder), recipe), sweep.records)
            for sweep, recipe in self.layers
            for encoder in _among(encoders, sweep.encoders)
        ]
        swept = {name: trial for trial in self.trials(encoders) for name in trial.names}
        for trial, _ in found:
            (name,) = trial.names
            if swept.get(name, trial) != trial:
                raise InputError(f"a sweep and [[layers]] ask for {name} with different settings")
        return found


def _alone(recipe: ProbeRecipe) -> list[ProbeRecipe]:
    return [recipe.alone(*pair) for pair in product(recipe.readouts, recipe.heads)]


def _among(encoders: Sequence[str], chosen: Sequence[str] | None) -> list[str]:
    for name in chosen or ():
        if name not in encoders:
            raise InputError(f"no encoder {name!r}; there are {', '.join(encoders)}")
    return [name for name in encoders if chosen is None or name in chosen]
