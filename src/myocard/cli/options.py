"""The applications, and what several commands ask for."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from myocard.errors import InputError

app = typer.Typer(
    help="Which layer of an ECG foundation model should you read, and what is a mixture worth?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
audit = typer.Typer(help="Check a store before its numbers are believed.", no_args_is_help=True)
app.add_typer(audit, name="audit")
console = Console(stderr=True)

RecipeFile = Annotated[Path, typer.Argument(help="Recipe, a TOML file")]
StoreFolder = Annotated[Path, typer.Argument(help="Folder that `myocard prepare` made")]
CheckpointFolder = Annotated[Path, typer.Argument(help="Folder that `myocard pretrain` made")]
Out = Annotated[Path, typer.Argument(help="Folder to write; it must not exist")]
Test = Annotated[
    bool, typer.Option("--test", help="Score the test folds too: once, when all is chosen")
]


def numbers(listed: str) -> list[int]:
    try:
        return [int(part) for part in listed.split(",")]
    except ValueError as error:
        raise InputError(f"{listed!r}: give numbers with commas between them, as 9,10") from error
