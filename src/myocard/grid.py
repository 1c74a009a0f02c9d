"""What a benchmark compares: stores, encoders and sweeps of probes, read from one TOML file."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from myocard.corpora import Corpus, HeldOut, StoreSettings, resolve
from myocard.errors import InputError
from myocard.recipe import (
    InputSettings,
    PretrainRecipe,
    ProbeRecipe,
    Settings,
    Split,
    TokenProbeRecipe,
    YardstickRecipe,
    check,
    check_yardstick,
)

Name = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
_ALIKE = ("split", "seeds", "min_positives", "resamples")
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


class Yardsticks(Settings):
    """A supervised rival on a store: its recipe on every task, under every fraction of labels.

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
    yardsticks: tuple[Yardsticks, ...] = ()
    anatomies: tuple[Anatomies, ...] = ()


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


@dataclass(frozen=True)
class Yardstick:
    """One rival on one task, all seeds at once."""

    store: str
    recipe: YardstickRecipe

    @property
    def place(self) -> Path:
        """The folder of its run below the results."""
        recipe = self.recipe
        share = f"labels-{recipe.fraction:g}"
        return Path(self.store, "yardsticks", share, recipe.task, recipe.model)


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
        yardsticks: What the encoders should beat.
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
    yardsticks: tuple[Yardstick, ...]
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
            InputError: When a sweep names an encoder that there is not.
        """
        return [
            TokenTrial(Condition(sweep.store, "12", encoder), recipes)
            for sweep, recipes in self.token_sweeps
            for encoder in _among(encoders, sweep.encoders)
        ]

    def dissections(self, encoders: Sequence[str]) -> list[tuple[Trial, int]]:
        """The probes of all layers of every encoder that is dissected, and on how many records.

        Raises:
            InputError: For an encoder that there is not.
        """
        return [
            (Trial(Condition(each.store, "12", encoder), recipe), each.records)
            for each, recipe in self.anatomies
            for encoder in _among(encoders, each.encoders)
        ]


def read_grid(recipe: str, changes: Sequence[str] = ()) -> Grid:
    """Read a benchmark's TOML file.

    Args:
        recipe: Its path, or the name of one that is shipped.
        changes: ``dotted.key=value`` each, the value as in TOML, put over what the file says.

    Raises:
        InputError: For a file, key, value or name that is wrong, and for an encoder that would be
            pretrained on folds that its probes are chosen or tested on.
    """
    path = _find(recipe)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{path}: not a readable TOML recipe ({error})") from error
    for change in changes:
        content = _merged(content, _parsed(change))
    where = str(path)
    settings = check(GridSettings, content, where)
    claims, pretrained = _encoders(settings, where)
    sweeps = tuple((s, tuple(_recipes(settings, s, where))) for s in settings.sweeps)
    token_sweeps = tuple((s, _token_recipes(settings, s, where)) for s in settings.token_probes)
    grid = Grid(
        settings.input,
        settings.stores,
        pretrained,
        settings.checkpoints,
        settings.random,
        sweeps,
        token_sweeps,
        settings.transfers,
        tuple(_yardsticks(settings, where)),
        tuple(_anatomies(settings, where)),
        tuple(claims),
    )
    _require_stores(grid, where)
    _refuse_conflicts(grid.transfers, where)
    _refuse_leaks(grid, where)
    return grid


def shipped() -> list[str]:
    """The names of the benchmarks that come with myocard."""
    folder = resources.files("myocard").joinpath("benchmarks")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir())


def _find(recipe: str) -> Path:
    if recipe in shipped():
        return Path(str(resources.files("myocard").joinpath("benchmarks", f"{recipe}.toml")))
    path = Path(recipe)
    if not path.exists():
        raise InputError(f"{recipe}: no such file; shipped are {', '.join(shipped())}")
    return path


def _encoders(
    settings: GridSettings, where: str
) -> tuple[list[HeldOut], tuple[PretrainRecipe, ...]]:
    """Their recipes, and the stores that the names of their corpora say they never meet."""
    families = {name: store.family or name for name, store in settings.stores.items()}
    corpora = resolve(settings.corpora, families, where)
    claims, recipes = [], []
    for place, own in enumerate(settings.encoders):
        content = _merged(settings.pretraining, own) | {"input": settings.input.model_dump()}
        named = content.get("corpus")
        if isinstance(named, str):
            if named not in corpora:
                known = ", ".join(corpora)
                raise InputError(
                    f"{where}: encoders.{place}: no corpus {named!r}; there are {known}"
                )
            content["corpus"] = corpora[named].parts
        recipe = check(PretrainRecipe, content, f"{where}: encoders.{place}")
        recipes.append(recipe)
        without = corpora[named].without if isinstance(named, str) else ()
        claims += [HeldOut(recipe.name, name) for name, f in families.items() if f in without]
    return claims, tuple(recipes)


def _among(encoders: Sequence[str], chosen: Sequence[str] | None) -> list[str]:
    for name in chosen or ():
        if name not in encoders:
            raise InputError(f"no encoder {name!r}; there are {', '.join(encoders)}")
    return [name for name in encoders if chosen is None or name in chosen]


def _recipes(settings: GridSettings, sweep: Sweep, where: str) -> list[ProbeRecipe]:
    """The sweep's recipes, each of one task, fraction, readout and head."""
    shared = _merged(settings.probing, sweep.probing)
    found = []
    for task, fraction in product(sweep.tasks, sweep.fractions):
        whole = check(ProbeRecipe, shared | {"task": task, "fraction": fraction}, where)
        for readout, head in product(whole.readouts, whole.heads):
            found.append(whole.model_copy(update={"readouts": (readout,), "heads": (head,)}))
    return found


def _token_recipes(
    settings: GridSettings, sweep: TokenSweep, where: str
) -> tuple[TokenProbeRecipe, ...]:
    """The sweep's recipes; on whom and how they are scored is as for probes of pooled states."""
    content = _merged(_alike(settings), sweep.probing)
    place = f"{where}: token_probes"
    return tuple(check(TokenProbeRecipe, content | {"task": task}, place) for task in sweep.tasks)


def _alike(settings: GridSettings) -> dict[str, Any]:
    """What must be the same of two runs for them to be compared in pairs."""
    return {key: settings.probing[key] for key in _ALIKE if key in settings.probing}


def _yardsticks(settings: GridSettings, where: str) -> list[Yardstick]:
    found: dict[Path, Yardstick] = {}
    for each in settings.yardsticks:
        for task, fraction in product(each.tasks, each.fractions):
            content = _merged(_alike(settings), each.recipe)
            content |= {"task": task, "fraction": fraction}
            recipe = check_yardstick(content, f"{where}: yardsticks")
            yardstick = Yardstick(each.store, recipe)
            if found.setdefault(yardstick.place, yardstick) != yardstick:
                raise InputError(
                    f"{where}: two yardsticks for {yardstick.place} with different settings"
                )
    return list(found.values())


def _anatomies(settings: GridSettings, where: str) -> Iterator[tuple[Anatomies, ProbeRecipe]]:
    layers = {"readouts": ["layers"], "heads": ["linear"]}
    for each in settings.anatomies:
        content = settings.probing | layers | {"task": each.task}
        yield each, check(ProbeRecipe, content, f"{where}: anatomies")


def _require_stores(grid: Grid, where: str) -> None:
    named = [str(part.store) for recipe in grid.pretrained for part in recipe.corpus]
    named += [str(r.watch.store) for r in grid.pretrained if r.watch]
    named += [sweep.store for sweep, _ in (*grid.sweeps, *grid.token_sweeps)]
    named += [each.store for each in grid.yardsticks]
    named += [each.store for each, _ in grid.anatomies]
    named += [store for each in grid.transfers for store in (each.origin, each.to)]
    for name in named:
        if name not in grid.stores:
            raise InputError(f"{where}: no store {name!r}; there are {', '.join(grid.stores)}")


def _refuse_conflicts(transfers: Sequence[Transfer], where: str) -> None:
    found: dict[tuple[str, str, str], Transfer] = {}
    for each in transfers:
        for task in each.tasks:
            if found.setdefault((each.origin, each.to, task), each).folds != each.folds:
                raise InputError(
                    f"{where}: two transfers of {task} from {each.origin} to {each.to} with "
                    "different folds"
                )


def _refuse_leaks(grid: Grid, where: str) -> None:
    """What names alone tell, before a day of work; records are compared once they are prepared."""
    corpora = {recipe.name: recipe.corpus for recipe in grid.pretrained}
    for kept in grid.held_out():
        for part in corpora[kept.encoder]:
            if met := kept.among(part):
                raise InputError(
                    f"{where}: leak: encoder {kept.encoder!r} would be pretrained on {met}, which "
                    "its probes are chosen or tested on"
                )


def _parsed(change: str) -> dict[str, Any]:
    try:
        return tomllib.loads(change)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{change!r}: not of the form key = value in TOML ({error})") from error


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` put over ``base``, table by table."""
    both = {
        key: _merged(base[key], value)
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        else value
        for key, value in over.items()
    }
    return {**base, **both}
