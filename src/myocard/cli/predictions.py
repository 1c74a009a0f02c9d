"""A model in use: saved with what it takes, and asked about any records."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.cli.progress import shown


@app.command(rich_help_panel=options.USE)
def save(
    encoder: Annotated[
        Path,
        Argument(
            help="The encoder of a probe, by folder, file or name; or `model` of a fine-tuning"
        ),
    ],
    run: Annotated[Path, Argument(help="Run folder of the probe or the fine-tuning")],
    out: options.Out,
    sensitivity: Annotated[
        float | None, Option(help="That thresholds have on validation; the best F1 by default")
    ] = None,
    coverage: Annotated[
        float | None, Option(help="Probability with which sets hold the truth; no sets by default")
    ] = None,
) -> None:
    """Save a model for use elsewhere.
    [dim]myocard save encoder results/…/pma-linear --coverage 0.9 --out model[/dim]

    The folder holds encoder, readout, head, thresholds, temperature, sets and a card. Published
    files are copied as they are: see to their licence before you pass it on.
    """
    from myocard.models.saving import save as make

    make(encoder, run, out, sensitivity=sensitivity, coverage=coverage)
    tell(out, out=out)


@app.command(rich_help_panel=options.USE)
def predict(
    model: options.AnyModel,
    records: Annotated[
        list[Path], Argument(help="Files of records, and folders that are searched for them")
    ],
    out: options.Table,
    probe: options.Probe = None,
    step: Annotated[
        float | None,
        Option(help="Seconds from a window to the next, for a row each; the middle by default"),
    ] = None,
    rate: options.Rate = None,
    leads: options.Rows = None,
    unit: options.Unit = None,
    rename: options.Rename = None,
    jobs: Annotated[
        int, Option(help="Processes, each of which holds the model; -1 for one a core")
    ] = -1,
) -> None:
    """Predict any records, a row each.
    [dim]myocard predict model records --out scores.csv[/dim]

    Scores, decisions, sets, layer weights and flags. A record that cannot be used is a row with
    its reason. A job that was stopped goes on where it was.

    Exit code: 0 if every record has scores, 1 if one has not, 2 if nothing was done.
    """
    from myocard.evaluation.prediction import predict as make

    stated = options.stated(rate, leads, unit, rename)
    with shown() as progress:
        failed = make(
            model,
            records,
            out,
            probe=probe,
            step=step,
            stated=stated,
            jobs=jobs,
            progress=progress,
        )
    tell(out, out=out, without_scores=failed)
    if failed:
        what = "records" if step is None else "windows"
        options.console.print(f"{what} without scores: {failed:,}; see the column error")
        raise Exit(1)
