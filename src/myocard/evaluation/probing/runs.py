"""A probe's run on disk, whatever it reads: whether it is there, and what is in it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import save_file
from torch import Tensor

from myocard.errors import InputError
from myocard.files.atomic import replace_folder
from myocard.models.classifier import weights_file
from myocard.recipe import ProbeRecipe, TokenProbeRecipe
from myocard.results.run import Scores, write_run
from myocard.tasks.cohort import Cohort


def is_finished(folder: Path, origin: Mapping[str, Any], *, test: bool) -> bool:
    """Whether the run is there, with scores of the test folds if they are wanted.

    Args:
        folder: Of the run.
        origin: Entries of ``run.json`` that it depends on.
        test: Whether they are.

    Raises:
        InputError: For a run of another origin.
    """
    path = folder / "run.json"
    if not path.exists():
        return False
    run = json.loads(path.read_text())
    if {key: run[key] for key in origin} != origin:
        raise InputError(
            f"{folder}: a run of another recipe, encoder or store; choose another folder"
        )
    return not test or run["test"] is not None


def settings(recipe: ProbeRecipe | TokenProbeRecipe) -> dict[str, Any]:
    """What a run depends on: not which other runs are asked for, nor how much memory there is."""
    return recipe.model_dump(mode="json", exclude={"readouts", "heads", "keep"})


def write(
    folder: Path,
    cohort: Cohort,
    recipe: ProbeRecipe | TokenProbeRecipe,
    scores: Scores,
    weights: Sequence[Mapping[str, Tensor]],
    about: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
) -> None:
    """Put a run where it belongs, with the classifier of every seed and further tables."""

    def fill(fresh: Path) -> None:
        write_run(fresh, cohort, scores, recipe.seeds, resamples=recipe.resamples, about=about)
        for place, each in enumerate(weights):
            contiguous = {k: v.cpu().contiguous() for k, v in each.items()}
            save_file(contiguous, fresh / weights_file(place))
        for name, table in tables.items():
            table.to_parquet(fresh / f"{name}.parquet", index=False)

    replace_folder(folder, fill)
