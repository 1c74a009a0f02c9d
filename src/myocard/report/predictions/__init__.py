"""Anybody's predictions, compared: verdicts, tables, figures and a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from myocard.errors import InputError
from myocard.files.manifest import file_hash
from myocard.files.step import step
from myocard.metrics.outcomes import MEASURES
from myocard.metrics.summary import Interval
from myocard.report.drawing import write_text
from myocard.report.html import render, write_blocks
from myocard.report.predictions.contrasts import (
    Scored,
    best,
    contrasts,
    pairs_of,
    scored,
)
from myocard.report.predictions.models import (
    calibration_of,
    require_subgroups,
    scores_of,
    subgroups_of,
)
from myocard.report.predictions.page import chapters
from myocard.results.columns import Asked
from myocard.results.comparison import ComparedModel, Comparison, Plan
from myocard.results.given import find_given, outcome_of, read_given
from myocard.results.panel import NO_PATIENTS, Panel, line_up
from myocard.tasks.cohort import TRAITS

PAGE = "index.html"
_RULE = "macro over classes that can be tested"


def write_comparison(predictions: Sequence[str], plan: Plan, out: Path) -> Path:
    """Write the comparison of several models' predictions into the folder ``out``.

    Args:
        predictions: Each ``NAME=PATH`` or ``PATH``: a table, or a folder of runs (``find_given``).
        plan: What is asked of them.
        out: The folder to make, by the rule of ``files/step.py``: ``comparison.json``, ``.csv``,
            ``.tex`` and ``.svg``, and further tables on the page ``index.html``.

    Returns:
        The page.

    Raises:
        InputError: When fewer than two models are given, their tables do not go together, or
            ``out`` was made from others.
    """
    files = find_given(predictions)
    if len(files) < 2:
        raise InputError(f"{', '.join(files)}: one model; give two or more to compare")
    hashes = {name: file_hash(file) for name, file in files.items()}
    inputs = {"models": hashes, "order": list(files)} | plan.model_dump(mode="json")
    if plan.patients not in (None, NO_PATIENTS):
        inputs["patients"] = file_hash(Path(plan.patients))

    def make(folder: Path, work: Path) -> None:
        comparison = compare(files, plan)
        comparison.write(folder)
        told = chapters(comparison)
        write_blocks(told, figures=folder, tables=folder)
        names = ", ".join(files)
        patients = f" of {comparison.patients:,} patients" if comparison.patients else ""
        lead = f"{names}: predictions for the same {comparison.records:,} records{patients}."
        page = render(told, out, title="Which model is better?", lead=lead)
        write_text(page, folder / PAGE)

    step(out, inputs, make)
    return out / PAGE


def compare(files: Mapping[str, Path], plan: Plan) -> Comparison:
    """Compare several models' predictions.

    Args:
        files: Tables by the names of their models.
        plan: What is asked of them.

    Raises:
        InputError: When the tables do not go together.
    """
    panel = _read(files, plan, plan.split)
    require_subgroups(panel, plan.subgroups)
    measures = [each for each in MEASURES[panel.outcome].values() if each.sign]
    reference = plan.reference
    if plan.choose_on is not None:
        if reference is not None:
            raise InputError("give either --reference or --choose-on")
        reference = best(_apart(panel, files, plan, plan.choose_on), measures[0])
    pairs = pairs_of(panel.names, reference)
    drawn = {"resamples": plan.resamples, "seed": plan.seed}
    found = scored(panel, measures, **drawn)
    return Comparison(
        plan=plan,
        records=len(panel.ids),
        patients=None if panel.patients is None else len(set(panel.patients)),
        outcome=panel.outcome,
        classes=panel.classes,
        left_out=found.left_out,
        reference=reference,
        interval=Interval(
            unit="record" if panel.patients is None else "patient", rule=_RULE, **drawn
        ),
        models=tuple(_model(found, k, file) for k, file in enumerate(files.values())),
        contrasts=tuple(contrasts(found, pairs)),
        subgroups=tuple(subgroups_of(panel, pairs, measures[0], **drawn)),
    )


def _read(files: Mapping[str, Path], plan: Plan, split: str) -> Panel:
    traits = tuple(dict.fromkeys((*TRAITS, *plan.subgroups)))
    asked = Asked(outcome_of(files, plan.kind), traits, plan.decimal)
    given = [read_given(name, file, split, asked) for name, file in files.items()]
    return line_up(given, asked, patients=plan.patients, common=plan.common)


def _apart(panel: Panel, files: Mapping[str, Path], plan: Plan, split: str) -> Panel:
    """The same models on a split of other patients."""
    chosen_on = _read(files, plan, split)
    shared = set(panel.owners) & set(chosen_on.owners)
    if shared:
        raise InputError(
            f"patient {min(shared)} is in {plan.split} and in {split} ({len(shared)} such "
            "patients): a reference that is chosen on those who test it looks too good"
        )
    return chosen_on


def _model(found: Scored, place: int, file: Path) -> ComparedModel:
    panel = found.panel
    return ComparedModel(
        name=panel.names[place],
        file=str(file),
        sha256=file_hash(file),
        seeds=len(panel.scores[place]),
        dropped=panel.dropped[place],
        scores=scores_of(found, place),
        calibration=calibration_of(found, place),
    )
