"""Baselines: other models trained on the same records from labels alone."""

import time
from pathlib import Path

from myocard.data.leaks import nothing_known
from myocard.data.store import Store
from myocard.evaluation.baselines import networks, rocket
from myocard.evaluation.probing import has_test
from myocard.evaluation.writing import write_run
from myocard.files.progress import Progress, silent
from myocard.files.step import Inputs, step
from myocard.recipe import BaselineRecipe, NetworkRecipe
from myocard.results.run import Choice, EncoderInfo, Hashes
from myocard.results.scoring import splits_to_score
from myocard.tasks.cohort import assemble_for
from myocard.tasks.registry import stated

__all__ = ["inputs_of", "train_baseline"]


def train_baseline(
    store: Store,
    recipe: BaselineRecipe,
    out: Path,
    *,
    test: bool = False,
    progress: Progress = silent,
) -> Path:
    """Train and score a baseline into the run folder ``out``, or take up one that was stopped.

    Args:
        store: The records; windows of them are z-scored lead by lead.
        recipe: Settings of the baseline.
        out: The folder to make, by the rule of ``files/step.py``.
        test: Score the test folds too; until then they are not touched.
        progress: Called after every step.

    Raises:
        InputError: When the recipe names no baseline, its windows do not fit the store, or ``out``
            holds another run.
    """
    if isinstance(recipe, NetworkRecipe):
        networks.window(store.made, recipe)

    def make(folder: Path, work: Path) -> None:
        began = time.perf_counter()
        cohort = assemble_for(recipe, store.records, nothing_known(store.records))
        splits = splits_to_score(test=test)
        chosen: tuple[Choice, ...] = ()
        if isinstance(recipe, NetworkRecipe):
            scores = networks.score(store, cohort, recipe, splits, work, progress)
            name, head = networks.name(recipe), networks.NETWORKS[recipe.model].head
        else:
            scores, chosen = rocket.score(store, cohort, recipe, splits, progress)
            name, head = "MiniRocket", "ridge"
        write_run(
            folder,
            cohort,
            scores,
            recipe,
            kind="baseline",
            name=f"{recipe.model}/{cohort.task}",
            encoder=EncoderInfo(name=name),
            readout=recipe.model,
            head=head,
            leads=store.made.leads,
            fraction=recipe.fraction,
            chosen=chosen,
            hashes=Hashes(store=store.key),
            seconds=round(time.perf_counter() - began, 1),
        )

    step(out, inputs_of(store, recipe), make, is_enough=lambda run: not test or has_test(run))
    return out


def inputs_of(store: Store, recipe: BaselineRecipe) -> Inputs:
    """All that a baseline's run depends on."""
    return {"store": store.key, "recipe": stated(recipe)}
