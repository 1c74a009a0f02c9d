"""Tasks of one's own, from tables of labels."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell

if TYPE_CHECKING:
    import pandas as pd


@app.command(rich_help_panel=options.DATA)
def task(
    labels: Annotated[
        Path, Argument(help="A .csv, .tsv, .txt, .xlsx or .parquet, or a TOML file of all options")
    ],
    records: Annotated[
        Path,
        Argument(
            help="A store; or embeddings as of `myocard probe`, or the table of their records"
        ),
    ],
    out: options.Out,
    ids: Annotated[str | None, Option("--id", help="Column of the records' ids")] = None,
    target: Annotated[str | None, Option(help="Column of the labels; several: a,b,c")] = None,
    kind: Annotated[str | None, Option(help="binary, one, several, number or time")] = None,
    unit: Annotated[
        str | None, Option(help="Unit of a number or a time, which reports show: %, days, mmol/l")
    ] = None,
    event: Annotated[
        str | None, Option(help="Column of the event that a time runs to: 1 if seen, 0 if not yet")
    ] = None,
    positive: Annotated[str | None, Option(help="The one of two words that is positive")] = None,
    list_separator: Annotated[str | None, Option(help="Between classes in one cell")] = None,
    missing: Annotated[
        list[str] | None, Option(help="Words of a label that is not known, for the usual ones")
    ] = None,
    decimal: Annotated[str | None, Option(help="Decimal mark, if cells do not prove it")] = None,
    sheet: Annotated[str | None, Option(help="Sheet of a workbook that has several")] = None,
    patient: Annotated[
        str | None, Option(help="Column; none: each record is a person; the store's by default")
    ] = None,
    split: Annotated[
        str | None, Option(help="store, made, date, site or a column; the store's if it has folds")
    ] = None,
    date: Annotated[str | None, Option(help="Column of the records' dates")] = None,
    date_format: Annotated[str | None, Option(help="Form of dates, such as %d/%m/%Y")] = None,
    site: Annotated[str | None, Option(help="Column of sites; the store's by default")] = None,
    test_site: Annotated[list[str] | None, Option(help="A site to test on")] = None,
    unmatched: Annotated[
        float | None, Option(help="Largest share of ids without a record; 0.1 by default")
    ] = None,
    seed: Annotated[int | None, Option(help="Seed of folds that are made")] = None,
) -> None:
    """Make your own labels a task.
    [dim]myocard task labels.xlsx store --id ecg --target low_ef --kind binary --out low_ef[/dim]

    Match a table's rows with the records, split them by patient, and list what is left out.
    """
    from myocard.tasks.own.account import account
    from myocard.tasks.own.making import make_task
    from myocard.tasks.own.settings import read_settings
    from myocard.tasks.own.task import TaskInfo

    asked = {
        "id": ids,
        "target": target,
        "kind": kind,
        "unit": unit,
        "event": event,
        "positive": positive,
        "list_separator": list_separator,
        "missing": missing,
        "decimal": decimal,
        "sheet": sheet,
        "patient": patient,
        "split": split,
        "date": date,
        "date_format": date_format,
        "site": site,
        "test_site": test_site,
        "unmatched": unmatched,
        "seed": seed,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    table, settings = read_settings(labels, given)
    make_task(table, _records(records), settings, out)
    info = TaskInfo.read(out)
    tell(*account(info), out, out=out, task=info.model_dump(mode="json"))


def _records(place: Path) -> "pd.DataFrame":
    """Read the table of a store, or of the records that embeddings are of."""
    from myocard.data.store import Store
    from myocard.files.manifest import STORE

    if not place.exists() or (place / STORE.file).exists():
        return Store.open(place).records
    # With torch, for which a store does not wait.
    from myocard.evaluation.embeddings import records_of

    return records_of(place)
