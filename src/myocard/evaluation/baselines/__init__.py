"""Baselines from outside: what labels alone teach other models on the same records."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from myocard.data.store import Store
from myocard.evaluation.baselines import networks, rocket
from myocard.files.atomic import DONE, replace_folder, workplace
from myocard.recipe import BaselineRecipe, NetworkRecipe
from myocard.results.run import write_run
from myocard.tasks.cohort import assemble
from myocard.tasks.task import task

__all__ = ["measure"]


def measure(
    store: Store,
    recipe: BaselineRecipe,
    out: Path,
    *,
    test: bool = False,
    report: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> None:
    """Train and score a baseline into run folder ``out``, or take up one that was stopped.

    A run that is there is replaced.

    Args:
        store: Windows are of its records, z-scored lead by lead.
        test: Score the test folds too; until then they are not touched.
        report: Told what is being done, how much of it is done, and how much there is.

    Raises:
        InputError: When the recipe's windows do not fit the store.
    """
    work = out.with_name(f"{out.name}.run")
    with workplace(work):
        _measure(store, recipe, out, work, test=test, report=report)


def _measure(
    store: Store,
    recipe: BaselineRecipe,
    out: Path,
    work: Path,
    *,
    test: bool,
    report: Callable[[str, int, int], None],
) -> None:
    began = time.perf_counter()
    cohort = assemble(store.records, task(recipe.task), recipe.split, recipe.min_positives)
    splits = ("validation", "test") if test else ("validation",)
    if isinstance(recipe, NetworkRecipe):
        scores = networks.score(store, cohort, recipe, splits, work, report)
        about = networks.describe(recipe)
    else:
        scores, chosen = rocket.score(store, cohort, recipe, splits, report)
        about = {"encoder": {"name": "MiniRocket"}, "head": "ridge", "chosen": chosen}
    common: dict[str, Any] = {
        "kind": "baseline",
        "name": f"{recipe.model}/{recipe.task}",
        "readout": recipe.model,
        "layer": None,
        "leads": list(store.made.leads),
        "fraction": recipe.fraction,
        "hashes": {"store": store.key},
        "recipe": recipe.model_dump(mode="json"),
        "seconds": round(time.perf_counter() - began, 1),
    }

    def write(folder: Path) -> None:
        said = common | about
        write_run(folder, cohort, scores, recipe.seeds, resamples=recipe.resamples, about=said)
        (work / DONE).touch()

    replace_folder(out, write)
