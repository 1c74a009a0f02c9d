"""From a TOML file to a grid: every name known, and no leak that names alone can tell."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Any

from myocard.benchmark.config import Anatomies, GridSettings, Sweep, TokenSweep, Transfer
from myocard.benchmark.corpora import HeldOut, resolve
from myocard.benchmark.trials import Baseline, Grid
from myocard.errors import InputError
from myocard.recipe import PretrainRecipe, ProbeRecipe, TokenProbeRecipe, check, check_baseline
from myocard.tasks.task import task as task_named

_ALIKE = ("split", "seeds", "min_positives", "resamples")


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
    except (OSError, ValueError, RecursionError) as error:
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
        tuple(_baselines(settings, where)),
        tuple(_anatomies(settings, where)),
        tuple(claims),
    )
    _require_stores(grid, where)
    _require_tasks(grid)
    _refuse_conflicts(grid.transfers, where)
    _refuse_leaks(grid, where)
    return grid


def shipped() -> list[str]:
    """The names of the benchmarks that come with myocard."""
    folder = resources.files("myocard.benchmark").joinpath("configs")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir())


def _find(recipe: str) -> Path:
    if recipe in shipped():
        return Path(
            str(resources.files("myocard").joinpath("benchmark", "configs", f"{recipe}.toml"))
        )
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


def _baselines(settings: GridSettings, where: str) -> list[Baseline]:
    found: dict[Path, Baseline] = {}
    for each in settings.baselines:
        for task, fraction in product(each.tasks, each.fractions):
            content = _merged(_alike(settings), each.recipe)
            content |= {"task": task, "fraction": fraction}
            recipe = check_baseline(content, f"{where}: baselines")
            baseline = Baseline(each.store, recipe)
            if found.setdefault(baseline.place, baseline) != baseline:
                raise InputError(
                    f"{where}: two baselines for {baseline.place} with different settings"
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
    named += [each.store for each in grid.baselines]
    named += [each.store for each, _ in grid.anatomies]
    named += [store for each in grid.transfers for store in (each.origin, each.to)]
    for name in named:
        if name not in grid.stores:
            raise InputError(f"{where}: no store {name!r}; there are {', '.join(grid.stores)}")


def _require_tasks(grid: Grid) -> None:
    scored = [name for sweep, _ in (*grid.sweeps, *grid.token_sweeps) for name in sweep.tasks]
    scored += [recipe.task for _, recipe in grid.anatomies]
    scored += [baseline.recipe.task for baseline in grid.baselines]
    scored += [name for each in grid.transfers for name in each.tasks]
    for name in dict.fromkeys(scored):
        task_named(name)


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
    except (ValueError, RecursionError) as error:
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
