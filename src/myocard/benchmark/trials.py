"""What a benchmark makes: every trial once, under the names of the encoders that there are."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from myocard.benchmark.config import Anatomies, LeadSet, Sweep, TokenSweep, Transfer
from myocard.benchmark.corpora import HeldOut, StoreSettings
from myocard.errors import InputError
from myocard.recipe import (
    BaselineRecipe,
    InputSettings,
    PretrainRecipe,
    ProbeRecipe,
    Split,
    TokenProbeRecipe,
)


@dataclass(frozen=True)
class Condition:
    """One pass of one encoder: over which store, and reading which leads."""

    store: str
    lead_set: LeadSet
    encoder: str


@dataclass(frozen=True)
class Trial:
    """Probes of one readout and head under one condition, all seeds and penalties at once."""

    condition: Condition
    recipe: ProbeRecipe

    @property
    def place(self) -> Path:
        """The folder of its runs below the results, but for encoder, task and cell."""
        condition = self.condition
        return Path(
            condition.store, f"leads-{condition.lead_set}", f"labels-{self.recipe.fraction:g}"
        )

    @property
    def name(self) -> str:
        recipe = self.recipe
        cell = f"{recipe.readouts[0]}-{recipe.heads[0]}"
        return f"{self.place}/{self.condition.encoder}/{recipe.task}/{cell}"


@dataclass(frozen=True)
class TokenTrial:
    """Probes of one encoder's tokens: the tasks that share its passes over a store."""

    condition: Condition
    recipes: tuple[TokenProbeRecipe, ...]

    @property
    def place(self) -> Path:
        """Beside the probes of pooled states that have all labels."""
        return Path(self.condition.store, f"leads-{self.condition.lead_set}", "labels-1")

    def cells(self) -> Iterator[tuple[str, TokenProbeRecipe]]:
        """Name and recipe of each readout and head alone."""
        for recipe in self.recipes:
            for readout, head in product(recipe.readouts, recipe.heads):
                alone = recipe.model_copy(update={"readouts": (readout,), "heads": (head,)})
                cell = f"{recipe.task}/{readout}-{head}"
                yield f"{self.place}/{self.condition.encoder}/{cell}", alone


@dataclass(frozen=True)
class Baseline:
    """One baseline on one task, all seeds at once."""

    store: str
    recipe: BaselineRecipe

    @property
    def place(self) -> Path:
        """The folder of its run below the results."""
        recipe = self.recipe
        share = f"labels-{recipe.fraction:g}"
        return Path(self.store, "baselines", share, recipe.task, recipe.model)


@dataclass(frozen=True)
class Grid:
    """A benchmark, checked.

    Attributes:
        pretrained: Recipes of encoders to train; a corpus names its stores.
        checkpoints: Folders of encoders that exist already.
        random: Seeds of random encoders.
        sweeps: What is probed; ``trials`` lists it.
        token_sweeps: What is probed token by token; ``token_trials`` lists it.
        transfers: What is scored on another store than it was trained on.
        baselines: What the encoders should beat.
        anatomies: What is dissected, and the probes of its layers.
        without: Stores that encoders are said never to meet.
    """

    input: InputSettings
    stores: Mapping[str, StoreSettings]
    pretrained: tuple[PretrainRecipe, ...]
    checkpoints: tuple[Path, ...]
    random: tuple[int, ...]
    sweeps: tuple[tuple[Sweep, tuple[ProbeRecipe, ...]], ...]
    token_sweeps: tuple[tuple[TokenSweep, tuple[TokenProbeRecipe, ...]], ...]
    transfers: tuple[Transfer, ...]
    baselines: tuple[Baseline, ...]
    anatomies: tuple[tuple[Anatomies, ProbeRecipe], ...]
    without: tuple[HeldOut, ...] = ()

    def held_out(self) -> list[HeldOut]:
        """What each encoder that is trained here must not meet, for its probes to be believed."""
        found = dict.fromkeys(self.without)
        probed: list[tuple[TokenSweep | Anatomies, list[Split]]] = []
        probed += [(sweep, [r.split for r in recipes]) for sweep, recipes in self.sweeps]
        probed += [(sweep, [r.split for r in recipes]) for sweep, recipes in self.token_sweeps]
        probed += [(each, [recipe.split]) for each, recipe in self.anatomies]
        for (sweep, splits), recipe in product(probed, self.pretrained):
            if sweep.encoders is None or recipe.name in sweep.encoders:
                held = {fold for s in splits for fold in (*s.validation, *s.test)}
                found[HeldOut(recipe.name, sweep.store, tuple(sorted(held)))] = None
                for transfer in self.transfers:
                    if transfer.origin == sweep.store and isinstance(sweep, Sweep):
                        found[HeldOut(recipe.name, transfer.to, transfer.folds)] = None
        return list(found)

    def crossings(self, trials: Sequence[Trial]) -> list[tuple[Trial, Transfer]]:
        """Each of ``trials`` that is scored on another store, with where."""
        return [
            (trial, transfer)
            for trial, transfer in product(trials, self.transfers)
            if trial.condition.store == transfer.origin
            and trial.condition.lead_set == "12"
            and trial.recipe.fraction == 1
            and trial.recipe.task in transfer.tasks
        ]

    def conditions(self, trials: Sequence[Trial]) -> list[Condition]:
        """All that ``trials`` and their transfers read, once."""
        crossed = [
            replace(trial.condition, store=transfer.to)
            for trial, transfer in self.crossings(trials)
        ]
        return list(dict.fromkeys([*(trial.condition for trial in trials), *crossed]))

    def trials(self, encoders: Sequence[str]) -> list[Trial]:
        """Every trial once, under the names of the encoders that there are.

        Raises:
            InputError: When a sweep names an encoder that there is not, or two sweeps ask for the
                same trial with different settings.
        """
        found: dict[str, Trial] = {}
        for sweep, recipes in self.sweeps:
            wanted = _among(encoders, sweep.encoders)
            for encoder, leads, recipe in product(wanted, sweep.lead_sets, recipes):
                trial = Trial(Condition(sweep.store, leads, encoder), recipe)
                if found.setdefault(trial.name, trial) != trial:
                    raise InputError(f"two sweeps ask for {trial.name} with different settings")
        return list(found.values())

    def token_trials(self, encoders: Sequence[str]) -> list[TokenTrial]:
        """Every encoder of every sweep of tokens.

        Raises:
            InputError: When a sweep names an encoder that there is not, or two sweeps ask for the
                same cell with different settings.
        """
        found = [
            TokenTrial(Condition(sweep.store, "12", encoder), recipes)
            for sweep, recipes in self.token_sweeps
            for encoder in _among(encoders, sweep.encoders)
        ]
        known: dict[str, TokenProbeRecipe] = {}
        for trial in found:
            for name, alone in trial.cells():
                if known.setdefault(name, alone) != alone:
                    raise InputError(f"two sweeps ask for {name} with different settings")
        return found

    def dissections(self, encoders: Sequence[str]) -> list[tuple[Trial, int]]:
        """The probes of all layers of every encoder that is dissected, and on how many records.

        Raises:
            InputError: For an encoder that there is not, or when a sweep asks for the same probes
                with different settings.
        """
        found = [
            (Trial(Condition(each.store, "12", encoder), recipe), each.records)
            for each, recipe in self.anatomies
            for encoder in _among(encoders, each.encoders)
        ]
        swept = {trial.name: trial for trial in self.trials(encoders)}
        for trial, _ in found:
            if swept.get(trial.name, trial) != trial:
                raise InputError(
                    f"a sweep and an anatomy ask for {trial.name} with different settings"
                )
        return found


def _among(encoders: Sequence[str], chosen: Sequence[str] | None) -> list[str]:
    for name in chosen or ():
        if name not in encoders:
            raise InputError(f"no encoder {name!r}; there are {', '.join(encoders)}")
    return [name for name in encoders if chosen is None or name in chosen]
