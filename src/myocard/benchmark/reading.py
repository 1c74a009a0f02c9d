"""Reader of a benchmark's TOML file: every name known, and no leak that names alone can tell."""

from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import product
from pathlib import Path

from myocard.benchmark.config import BenchmarkSettings, LayerSweep, Sweep, Transfer
from myocard.benchmark.corpora import HeldOut, resolve
from myocard.benchmark.trials import BaselineTrial, Benchmark
from myocard.errors import InputError
from myocard.evaluation.baselines import networks
from myocard.evaluation.probing import check_names
from myocard.nn.readouts.registry import TOKENS
from myocard.pretraining.objectives import check_recipe
from myocard.recipe import (
    Evaluation,
    NetworkRecipe,
    PretrainRecipe,
    ProbeRecipe,
    check,
    check_baseline,
)
from myocard.recipe.settings import merged, read_content
from myocard.tasks.registry import task as task_named


def read_benchmark(recipe: str, changes: Sequence[str] = ()) -> Benchmark:
    """Read a benchmark's TOML file.

    Args:
        recipe: Its path, or the name of one that is shipped.
        changes: ``dotted.key=value`` each, the value as in TOML, put over what the file says.

    Raises:
        InputError: For a file, key, value or name that is wrong, and for an encoder that would be
            pretrained on folds that its probes are chosen or tested on.
    """
    path = _find(recipe)
    content = read_content(path, changes)
    where = str(path)
    settings = check(BenchmarkSettings, content, where)
    without, pretrained = _encoders(settings, where)
    benchmark = Benchmark(
        input=settings.input,
        stores=settings.stores,
        pretrained=pretrained,
        checkpoints=settings.checkpoints,
        random=settings.random,
        refuse_seen=settings.refuse_seen,
        sweeps=tuple((s, tuple(_recipes(settings, s, where))) for s in settings.sweeps),
        transfers=settings.transfers,
        baselines=tuple(_baselines(settings, where)),
        layers=tuple(_layers(settings, where)),
        without=tuple(without),
    )
    _require_names(benchmark, where)
    _refuse_conflicts(benchmark.transfers, where)
    _refuse_leaks(benchmark, where)
    return benchmark


def shipped() -> list[str]:
    """The names of the benchmarks that come with myocard."""
    folder = resources.files("myocard.benchmark").joinpath("configs")
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir())


def _find(recipe: str) -> Path:
    if recipe in shipped():
        return Path(str(resources.files("myocard.benchmark") / "configs" / f"{recipe}.toml"))
    path = Path(recipe)
    if not path.exists():
        raise InputError(f"{recipe}: no such file; shipped are {', '.join(shipped())}")
    return path


def _encoders(
    settings: BenchmarkSettings, where: str
) -> tuple[list[HeldOut], tuple[PretrainRecipe, ...]]:
    """Their recipes, and the stores that the names of their corpora keep them from."""
    families = {name: store.family or name for name, store in settings.stores.items()}
    corpora = resolve(settings.corpora, families, where)
    held_out, recipes = [], []
    for place, own in enumerate(settings.encoders):
        content = merged(settings.pretraining, own) | {"input": settings.input.model_dump()}
        named, at = content.get("corpus"), f"{where}: encoders.{place}"
        if isinstance(named, str):
            if named not in corpora:
                raise InputError(f"{at}: no corpus {named!r}; there are {', '.join(corpora)}")
            content["corpus"] = corpora[named].parts
        recipe = check(PretrainRecipe, content, at)
        check_recipe(recipe)
        recipes.append(recipe)
        without = corpora[named].without if isinstance(named, str) else ()
        held_out += [HeldOut(recipe.name, name) for name, f in families.items() if f in without]
    return held_out, tuple(recipes)


def _recipes(settings: BenchmarkSettings, sweep: Sweep, where: str) -> Iterator[ProbeRecipe]:
    """The recipes of a sweep's trials."""
    shared = merged(settings.probing, sweep.probing)
    for task, fraction in product(sweep.tasks, sweep.fractions):
        whole = check(ProbeRecipe, shared | {"task": task, "fraction": fraction}, where)
        check_names(whole)
        of_tokens = tuple(name for name in whole.readouts if name in TOKENS)
        if sweep.rotate:
            _require_rotation(sweep, of_tokens, where)
        for readout, head in product(whole.readouts, whole.heads):
            if readout not in TOKENS:
                yield whole.alone(readout, head)
        if of_tokens:
            yield whole.model_copy(update={"readouts": of_tokens})


def _require_rotation(sweep: Sweep, of_tokens: Sequence[str], where: str) -> None:
    if len(sweep.rotate) < 2 or len(set(sweep.rotate)) < len(sweep.rotate):
        raise InputError(
            f"{where}: rotate = {list(sweep.rotate)}; name two folds or more, once each"
        )
    if of_tokens:
        raise InputError(f"{where}: readouts of tokens ({', '.join(of_tokens)}) are not rotated")


def _baselines(settings: BenchmarkSettings, where: str) -> list[BaselineTrial]:
    # Settings that two runs must share to be compared in pairs.
    alike = Evaluation.model_fields.keys() - {"task"}
    shared = {key: value for key, value in settings.probing.items() if key in alike}
    found: dict[Path, BaselineTrial] = {}
    for each in settings.baselines:
        for task, fraction in product(each.tasks, each.fractions):
            content = merged(shared, each.recipe) | {"task": task, "fraction": fraction}
            recipe = check_baseline(content, f"{where}: baselines")
            if isinstance(recipe, NetworkRecipe):
                networks.check_name(recipe)
            trial = BaselineTrial(each.store, recipe)
            if found.setdefault(trial.place, trial) != trial:
                raise InputError(f"{where}: two baselines for {trial.place} with other settings")
    return list(found.values())


def _layers(settings: BenchmarkSettings, where: str) -> Iterator[tuple[LayerSweep, ProbeRecipe]]:
    layers = {"readouts": ["layers"], "heads": ["linear"]}
    for each in settings.layers:
        content = settings.probing | layers | {"task": each.task}
        yield each, check(ProbeRecipe, content, f"{where}: layers")


def _require_names(benchmark: Benchmark, where: str) -> None:
    """Refuse stores and tasks that there are not."""
    above: list[str] = []
    for name, settings in benchmark.stores.items():
        for joined in settings.of:
            if joined not in above:
                raise InputError(
                    f"{where}: stores.{name}: no store {joined!r} above it in the file"
                )
            if benchmark.stores[joined].of:
                raise InputError(
                    f"{where}: stores.{name}: {joined!r} is joined itself; name its parts"
                )
        above.append(name)
    parts = [part for recipe in benchmark.pretrained for part in (*recipe.corpus, recipe.watch)]
    stores = [part.store for part in parts if part is not None]
    stores += [sweep.store for sweep, _ in benchmark.sweeps]
    stores += [sweep.store for sweep, _ in benchmark.layers]
    stores += [each.store for each in benchmark.baselines]
    stores += [store for each in benchmark.transfers for store in (each.origin, each.to)]
    for store in stores:
        if store not in benchmark.stores:
            known = ", ".join(benchmark.stores)
            raise InputError(f"{where}: no store {store!r}; there are {known}")
    tasks = [name for sweep, _ in benchmark.sweeps for name in sweep.tasks]
    tasks += [recipe.task for _, recipe in benchmark.layers]
    tasks += [each.recipe.task for each in benchmark.baselines]
    tasks += [name for each in benchmark.transfers for name in each.tasks]
    for name in dict.fromkeys(tasks):
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


def _refuse_leaks(benchmark: Benchmark, where: str) -> None:
    """Refuse what names alone tell, before any work; records are compared once prepared."""
    corpora = {recipe.name: recipe.corpus for recipe in benchmark.pretrained}
    for held_out in benchmark.held_out():
        for part in corpora[held_out.encoder]:
            if shared := held_out.among(part):
                raise InputError(
                    f"{where}: leak: encoder {held_out.encoder!r} would be pretrained on {shared}, "
                    "which its probes are chosen or tested on"
                )
