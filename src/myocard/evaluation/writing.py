"""The folder of a run: ``run.json``, predictions and classifiers, for every program that scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from myocard.models.classifier import write_classifiers
from myocard.recipe import BaselineRecipe, FinetuneRecipe, ProbeRecipe
from myocard.results.run import Run
from myocard.results.saved import PREDICTIONS, prediction_table
from myocard.results.scoring import Scores, scored
from myocard.tasks.cohort import Cohort


def write_run(
    folder: Path,
    cohort: Cohort,
    scores: Scores,
    recipe: ProbeRecipe | FinetuneRecipe | BaselineRecipe,
    classifiers: Sequence[nn.Module] = (),
    **about: Any,
) -> None:
    """Write a run into a folder that is there.

    Args:
        folder: The folder.
        cohort: The splits and targets.
        scores: ``(seeds, records, classes)`` by split.
        recipe: Settings of the training.
        classifiers: The classifier of every seed.
        about: The fields of ``Run`` that do not follow from the others.
    """
    results = scored(cohort, scores, recipe.seeds, recipe.resamples)
    Run(recipe=recipe, **results, **about).write(folder)
    prediction_table(cohort, scores, recipe.seeds).to_parquet(folder / PREDICTIONS, index=False)
    write_classifiers(folder, classifiers)
