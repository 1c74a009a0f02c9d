"""Models that are known by name, and which of them are at hand."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console
from rich.table import Table
from typer import Argument

from myocard.cli import options
from myocard.cli.options import app
from myocard.cli.output import tell
from myocard.errors import InputError

if TYPE_CHECKING:
    from myocard.encoders.published import Card

_COLUMNS = (
    *("Model", "Licence: code; weights", "Layers × width", "Input", "Pretrained on", "Weights"),
    "At hand",
)
_SHIPPED = (
    *("ecg-nano", "Apache-2.0; CC BY 4.0", "8 × 96", "100 Hz, 10 s, 12 leads"),
    *("ptbxl, cinc2011", "come with myocard"),
)
"""The shipped encoder, as its card describes it."""
_WIDTH = 200
"""Columns of the table where nothing says how wide a line may be."""


@app.command(rich_help_panel=options.MORE)
def encoders(
    paths: Annotated[
        list[Path] | None, Argument(help="Checkpoints, or folders of them, to look at")
    ] = None,
) -> None:
    """List the encoders that are known.
    [dim]myocard encoders checkpoints[/dim]

    Licence, size, input, pretraining and weights of every model, or of those that PATHS hold.
    """
    from myocard.encoders.registry import cards

    at_hand, strange = _at_hand(paths or ())
    table = Table(show_lines=True)
    for column in _COLUMNS if paths else _COLUMNS[:-1]:
        table.add_column(column, overflow="fold")
    for cells in (_SHIPPED, *map(_cells, cards().values())):
        if paths and cells[0] not in at_hand:
            continue
        table.add_row(*(*cells, "\n".join(at_hand[cells[0]]))[: len(table.columns)])
    console = Console(emoji=False)
    console.width = console.width if console.is_terminal else _WIDTH
    with console.capture() as drawn:
        console.print(table, markup=False, highlight=False)
    listed = [
        asdict(card) | {"at_hand": at_hand[name]}
        for name, card in cards().items()
        if not paths or name in at_hand
    ]
    tell(drawn.get().rstrip("\n"), *strange, encoders=listed, unreadable=strange)
    if paths and not at_hand and not strange:
        raise InputError(f"{', '.join(map(str, paths))}: no checkpoint in or below it")


def _cells(card: "Card") -> tuple[str, ...]:
    """Return what the table says of a model, but for its files."""
    datasets = "unknown" if card.pretrained_on is None else ", ".join(card.pretrained_on)
    licences = f"{card.code_licence}; {card.weights_licence}"
    return card.name, licences, card.size, card.signals, datasets, card.where


def _at_hand(paths: Sequence[Path]) -> tuple[defaultdict[str, list[str]], list[str]]:
    """Return the files of each known model, and a sentence on each other file."""
    from myocard.encoders.registry import open_published

    found: defaultdict[str, list[str]] = defaultdict(list)
    strange = []
    for path in _within(paths):
        try:
            opened = open_published(path).opened
        except InputError as error:
            strange.append(str(error))
            continue
        widths = "–".join(map(str, sorted({layer.width for layer in opened.layers})))
        found[opened.card.name].append(f"{path}: {len(opened.layers) - 1} × {widths}")
    return found, strange


def _within(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the checkpoints in and below folders, and other paths as they are."""
    from myocard.encoders.files import CONFIG, checkpoints

    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        if not path.is_dir():
            yield path
            continue
        for folder in (path, *sorted(each for each in path.rglob("*") if each.is_dir())):
            yield from [folder] if (folder / CONFIG).exists() else checkpoints(folder)
