"""Pages that explain what a model says of a record."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.cli.progress import shown


@app.command(rich_help_panel=options.USE)
def explain(
    model: Annotated[
        Path, Argument(help="Folder that `myocard save` made; or an encoder, with --probe")
    ],
    records: Annotated[Path, Argument(help="A file, or a folder that is searched for records")],
    out: Annotated[
        Path,
        Option(
            "--out",
            "-o",
            help="Page to write, .html; of a folder, the folder of its pages and their index",
        ),
    ],
    probe: Annotated[Path | None, Option(help="Run folder of a probe of the encoder")] = None,
    features: Annotated[
        Path | None, Option(help="States of the training records, of which the nearest are listed")
    ] = None,
    task: Annotated[
        Path | None, Option(help="Folder of the task, if it is your own, for their labels")
    ] = None,
    layer: Annotated[
        int | None, Option(help="Layer at which they are; by default the one that weighs most")
    ] = None,
    names: Annotated[bool, Option("--names", help="Show their ids")] = False,
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
) -> None:
    """Explain what a model says of a record, on a page.
    [dim]myocard explain model ecg.xml --out page.html[/dim]

    The ECG on paper with what the model saw in it, predictions, layers, and the nearest training
    records. The page needs nothing beside it. Of a folder, a page each and an index.

    Exit code: 0 if every record has a page, 1 if one has not, 2 if nothing was done.
    """
    from myocard.data.formats.joining import parse_rename
    from myocard.data.window import Stated
    from myocard.evaluation.explaining import writing
    from myocard.evaluation.explaining.neighbours import TrainingRecords
    from myocard.evaluation.features import Features
    from myocard.models.opening import decided_model
    from myocard.report.record.index import index
    from myocard.report.record.page import page

    named = tuple(leads.split(",")) if leads else None
    stated = Stated(rate, named, unit, parse_rename(rename or ()) or None)
    opened = decided_model(model, probe)
    opened = opened if probe is None else opened.compared(probe)
    training = None
    if features is not None:
        asked = None if task is None else str(task)
        training = TrainingRecords(opened, Features.open(features), task=asked, names=names)
    question = writing.Question(opened, training, layer, stated)
    if not records.is_dir():
        writing.write_page(question, records, out, page)
        tell(out, out=out)
        return
    with shown() as progress:
        failed = writing.write_pages(question, records, out, page, index, progress)
    tell(out / writing.INDEX, out=out, without_page=failed)
    if failed:
        options.console.print(f"records without a page: {failed:,}; see the index")
        raise Exit(1)
