"""Pages that explain what a model says of a record."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Exit, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.cli.progress import shown
from myocard.errors import InputError


@app.command(rich_help_panel=options.USE)
def explain(
    model: options.SavedModel,
    records: Annotated[Path, Argument(help="A file, or a folder that is searched for records")],
    out: Annotated[
        Path,
        Option(
            "--out",
            "-o",
            help="Page to write, .html; of a folder, the folder of its pages and their index",
        ),
    ],
    probe: options.Probe = None,
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
    rate: options.Rate = None,
    leads: options.Rows = None,
    unit: options.Unit = None,
    rename: options.Rename = None,
) -> None:
    """Explain what a model says of a record, on a page.
    [dim]myocard explain model ecg.xml --out page.html[/dim]

    The ECG on paper with what the model saw in it, predictions, layers, and the nearest training
    records. The page needs nothing beside it. A folder gets a page for each and an index.

    Exit code: 0 if every record has a page, 1 if one has not, 2 if nothing was done.
    """
    from myocard.evaluation.explaining import writing
    from myocard.evaluation.explaining.neighbours import TrainingRecords
    from myocard.evaluation.features import Features
    from myocard.models.opening import decided_model
    from myocard.report.record.index import index
    from myocard.report.record.page import page

    if features is None and (task, layer, names) != (None, None, False):
        raise InputError("--task, --layer and --names are for --features")
    stated = options.stated(rate, leads, unit, rename)
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
