"""Predictions compared, runs scored anew, and encoders ranked."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell


@app.command(rich_help_panel=options.MORE)
def compare(
    predictions: Annotated[
        list[str],
        Argument(help="CSV or Parquet tables, or folders of runs: PATH, or NAME=PATH"),
    ],
    out: options.Out,
    patients: Annotated[
        str | None,
        Option(help="Table of id and patient; `none`: no patient has two records; or a column"),
    ] = None,
    reference: Annotated[
        str | None, Option(help="Hold all others against this model; all pairs by default")
    ] = None,
    choose_on: Annotated[
        str | None, Option(help="Split whose best model is the reference: validation")
    ] = None,
    kind: Annotated[
        str | None, Option(help="binary, one, several, number or time; classes by default")
    ] = None,
    decimal: Annotated[str | None, Option(help="Decimal mark, if cells do not prove it")] = None,
    split: Annotated[str, Option(help="Split to compare on")] = "test",
    common: Annotated[
        bool, Option("--common", help="Compare the records that all have, and tell the others")
    ] = False,
    subgroup: Annotated[
        list[str] | None, Option(help="Column to tell apart, besides sex, age, site, device")
    ] = None,
    resamples: Annotated[int, Option(min=100, help="Of the bootstrap by patient")] = 4_000,
    seed: Annotated[int, Option(min=0, help="Of the bootstrap")] = 0,
) -> None:
    """Compare anybody's predictions.
    [dim]myocard compare a.csv b.csv --patients patients.csv --out comparison[/dim]

    Paired differences by patient with a verdict each: HTML, JSON, CSV, LaTeX and SVG. The first of
    a pair is claimed to be better; with a reference, every other model is claimed to be.
    """
    from myocard.recipe import check
    from myocard.report.predictions import write_comparison
    from myocard.report.predictions.tables import sentences
    from myocard.results.comparison import Comparison, Plan

    asked = {
        "kind": kind,
        "decimal": decimal,
        "split": split,
        "patients": patients,
        "common": common,
        "reference": reference,
        "choose_on": choose_on,
        "subgroups": subgroup or (),
        "resamples": resamples,
        "seed": seed,
    }
    plan = check(Plan, asked, "compare")
    page = write_comparison(predictions, plan, out)
    told = list(sentences(Comparison.read(out)))
    tell(*told, page, verdicts=told, page=page)


@app.command(rich_help_panel=options.MORE)
def rescore(
    results: Annotated[list[Path], Argument(help="Folders that hold runs, at any depth")],
    out: options.Table,
    metric: Annotated[
        list[str] | None, Option(help="auroc, f1, brier …; all of the task by default")
    ] = None,
    subgroup: Annotated[
        list[str] | None,
        Option(help="COLUMN, COLUMN=VALUE or COLUMN=LOW..HIGH: sex, age, site, device, or others"),
    ] = None,
    records: Annotated[
        Path | None, Option(help="Table of id and other columns, for subgroups by them")
    ] = None,
    resamples: Annotated[
        int | None, Option(min=100, help="Of the bootstrap by patient; those of each run")
    ] = None,
    test: options.Test = False,
) -> None:
    """Score old runs anew, without a model.
    [dim]myocard rescore results --subgroup sex --metric auroc --out sexes.csv[/dim]

    Other metrics and subgroups from the predictions that runs keep, with intervals by patient.
    """
    from myocard.results.rescoring import write_rescored

    write_rescored(
        results, out, metrics=metric, subgroups=subgroup or (), records=records,
        resamples=resamples, test=test,
    )  # fmt: skip
    tell(out, out=out)


@app.command(rich_help_panel=options.MORE)
def leaderboard(
    results: Annotated[list[Path], Argument(help="Folders that hold runs, at any depth")],
    out: options.Out = Path("leaderboard"),
) -> None:
    """Rank encoders by task.
    [dim]myocard leaderboard results --out leaderboard[/dim]

    Each in its best way on validation, with ties and with what it has seen: HTML, CSV and JSON.
    """
    from myocard.report.leaderboard import write_leaderboard

    page = write_leaderboard(results, out)
    tell(page, page=page)
