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
    model: Annotated[
        Path,
        Argument(
            help="Folder that `myocard save` made, or .onnx that `myocard export` made; or an "
            "encoder, with --probe"
        ),
    ],
    records: Annotated[
        list[Path], Argument(help="Files of records, and folders that are searched for them")
    ],
    out: Annotated[
        Path,
        Option(
            "--out",
            "-o",
            help="Table to write, .csv or .parquet: kept if made from the same inputs, refused "
            "if from others",
        ),
    ],
    probe: Annotated[Path | None, Option(help="Run folder of a probe of the encoder")] = None,
    step: Annotated[
        float | None,
        Option(help="Seconds from a window to the next, for a row each; the middle by default"),
    ] = None,
    rate: Annotated[
        float | None, Option(help="Samples per second (Hz), for files that do not say")
    ] = None,
    leads: Annotated[
        str | None, Option(help="Such as I,II,V2: their rows, for files that do not say")
    ] = None,
    unit: Annotated[
        str | None, Option(help="Unit of signals, for files that do not say: mV, uV, V; NU: none")
    ] = None,
    rename: Annotated[
        list[str] | None, Option(help="NAME=LEAD: the lead that a signal is, such as MLII=II")
    ] = None,
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
    from myocard.data.formats.joining import parse_rename
    from myocard.data.window import Stated
    from myocard.evaluation.prediction import predict as make

    names = tuple(leads.split(",")) if leads else None
    stated = Stated(rate, names, unit, parse_rename(rename or ()) or None)
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
