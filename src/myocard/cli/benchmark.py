"""The whole benchmark, from raw folders to the report, by one command."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from myocard.cli.options import WHOLE, Changes, Log, Test, app, track, tracking
from myocard.cli.output import tell
from myocard.cli.progress import shown
from myocard.files.atomic import occupied

if TYPE_CHECKING:
    from myocard.benchmark.estimate import Piece

Whole = Annotated[Path, Option("--out", "-o", help="Folder to write; what is there is kept")]


@app.command(rich_help_panel=WHOLE)
def demo(
    out: Whole = Path("demo"),
    pretrain: Annotated[
        bool, Option("--pretrain", help="An encoder of its own, not the one that is shipped")
    ] = False,
) -> None:
    """The main path on simulated ECGs, in minutes.
    [dim]myocard demo[/dim]

    Simulate, prepare, extract, probe and report: what every layer of the shipped encoder knows.
    """
    from myocard.benchmark.reading import read_benchmark
    from myocard.benchmark.run import run_benchmark

    with occupied(out), shown() as progress:
        wanted = read_benchmark("demo-pretraining" if pretrain else "demo")
        page = run_benchmark(wanted, out, progress, test=True, jobs=-1)
    tell(page, page=page)


@app.command(rich_help_panel=WHOLE)
def benchmark(
    recipe: Annotated[str, Argument(help="A TOML file, or the name of a shipped one")],
    out: Whole,
    test: Test = False,
    jobs: Annotated[int, Option(help="Trials at a time; -1 for one a core")] = -1,
    change: Changes = None,
    dry_run: Annotated[
        bool, Option("--dry-run", help="List what is there, missing and refused, with costs")
    ] = False,
    log: Log = None,
) -> None:
    """A benchmark of encoders, readouts and tasks.
    [dim]myocard benchmark paper --out paper --dry-run[/dim]

    From raw folders to the report: every encoder, readout, head, task, label share, lead set.
    """
    from myocard.benchmark.reading import read_benchmark
    from myocard.benchmark.run import run_benchmark

    wanted, tracker = read_benchmark(recipe, change or ()), tracking(log)
    if dry_run:
        from myocard.benchmark.estimate import estimate

        pieces = list(estimate(wanted, out, test=test, jobs=jobs))
        left = sum(piece.seconds for piece in pieces)
        lines = [line for piece in pieces for line in _lines(piece)]
        lines.append(f"{timedelta(seconds=round(left))!s:>16}  left to do, about")
        tell(*lines, seconds=left, pieces=[asdict(piece) for piece in pieces])
        return
    with occupied(out), shown() as progress:
        page = run_benchmark(wanted, out, progress, test=test, jobs=jobs)
    track(tracker, [out])
    tell(page, page=page)


def _lines(piece: "Piece") -> Iterator[str]:
    """Yield the lines on a piece of a benchmark."""
    needed = f"{timedelta(seconds=round(piece.seconds))!s:>16}"
    yield f"{needed if piece.state == 'missing' else f'{piece.state:>16}'}  {piece.name}"
    if piece.reason:
        yield f"{'':16}  {piece.reason}"
