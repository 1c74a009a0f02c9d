"""The applications, and the arguments that several commands share."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from typer import Argument, Exit, Option

from myocard.cli.output import App
from myocard.errors import InputError

if TYPE_CHECKING:
    from myocard.data.window import Stated
    from myocard.training.tracking import Tracking

MAIN = "The main path, in this order"
USE = "A model in use"
MORE = "More to train and to measure"
DATA = "Records and checks"
WHOLE = "All of it at once"

app = App(
    help="Which layer of an ECG foundation model should you read, and what is a mixture worth?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
audit = App(
    help="Check files, labels or leaks: [dim]myocard audit labels store[/dim]", no_args_is_help=True
)


def _version(asked: bool) -> bool:
    if asked:
        print(version("myocard"))
        raise Exit
    return asked


@app.callback()
def _options(
    _: Annotated[
        bool, Option("--version", callback=_version, is_eager=True, help="Show it and exit")
    ] = False,
) -> None: ...


app.add_typer(audit, name="audit", rich_help_panel=DATA)
console = Console(stderr=True)

RecipeFile = Annotated[str, Argument(help="A TOML file, or the name of a shipped recipe")]
StoreFolder = Annotated[Path, Argument(help="Folder that `myocard prepare` made")]
Encoder = Annotated[
    Path,
    Argument(
        help="Folder that `myocard pretrain` made; ecg-nano, which is shipped; a published file or "
        "folder (`myocard encoders` lists the models); OWNER/NAME on the Hugging Face hub; or "
        "PACKAGE.MODULE:FUNCTION of your own, which makes an encoder",
    ),
]
SavedModel = Annotated[
    Path, Argument(help="Folder that `myocard save` made; or an encoder, with --probe")
]
AnyModel = Annotated[
    Path,
    Argument(
        help="Folder that `myocard save` made, or .onnx that `myocard export` made; or an "
        "encoder, with --probe"
    ),
]
Probe = Annotated[Path | None, Option(help="Run folder of a probe of the encoder")]
Rate = Annotated[float | None, Option(help="Samples per second (Hz), for files that do not say")]
Rows = Annotated[str | None, Option(help="Such as I,II,V2: rows, for files that do not say")]
Unit = Annotated[
    str | None, Option(help="Unit of signals, for files that do not say: mV, uV, V; NU: none")
]
Rename = Annotated[
    list[str] | None, Option(help="NAME=LEAD: the lead that a signal is, such as MLII=II")
]
_KEPT_OR_REFUSED = "to write: kept if made from the same inputs, refused if from others"
Out = Annotated[Path, Option("--out", "-o", help=f"Folder {_KEPT_OR_REFUSED}")]
Table = Annotated[Path, Option("--out", "-o", help=f"Table, .csv or .parquet, {_KEPT_OR_REFUSED}")]
Results = Annotated[Path, Option("--out", "-o", help="Results, a folder for each run")]
Test = Annotated[bool, Option("--test", help="Score the test folds too: once, when all is chosen")]
Changes = Annotated[
    list[str] | None, Option("--set", help="key = value over the recipe's, in TOML")
]
Log = Annotated[
    Literal["tensorboard", "mlflow"] | None,
    Option("--log", help="Tracker to log to, in tracking/"),
]
Random = Annotated[int | None, Option(help="Seed: the same encoder with random weights instead")]


def tracking(tracker: Literal["tensorboard", "mlflow"] | None) -> "Tracking | None":
    """The tracker that is named, if any."""
    if tracker is None:
        return None
    from myocard.training.tracking import Tracking

    return Tracking(tracker)


def track(tracking: "Tracking | None", folders: Sequence[Path]) -> None:
    """Log the runs in some folders to a tracker, if there is one."""
    if tracking is not None:
        from myocard.evaluation.tracked import track_runs

        track_runs(tracking, folders)


def stated(
    rate: float | None, leads: str | None, unit: str | None, rename: list[str] | None
) -> "Stated":
    """Join what is said of records whose files do not say it.

    Raises:
        InputError: For what renames no signal.
    """
    from myocard.data.formats.joining import parse_rename
    from myocard.data.window import Stated

    rows = tuple(leads.split(",")) if leads else None
    return Stated(rate, rows, unit, parse_rename(rename or ()) or None)


def numbers(listed: str) -> list[int]:
    try:
        return [int(part) for part in listed.split(",")]
    except ValueError as error:
        raise InputError(f"{listed!r}: give numbers with commas between them, as 9,10") from error
