"""From raw folders to the report by one command."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from myocard.cli.options import Test, app
from myocard.cli.progress import bar
from myocard.files.atomic import occupied


@app.command()
def demo(
    out: Annotated[Path, typer.Argument(help="Folder to write")] = Path("demo"),
) -> None:
    """Simulate, prepare, pretrain, extract, probe and report: the main job in minutes."""
    from myocard.benchmark.reading import read_grid
    from myocard.benchmark.run import benchmark as run

    with occupied(out), bar() as advance:
        page = run(read_grid("demo"), out, advance, test=True, jobs=-1)
    print(page)


@app.command()
def benchmark(
    recipe: Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped one")],
    out: Annotated[Path, typer.Argument(help="Folder to write; what is there is kept")],
    test: Test = False,
    jobs: Annotated[int, typer.Option(help="Trials at a time; -1 for one a core")] = -1,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="key = value over the recipe's, in TOML")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what is missing and what it would cost")
    ] = False,
) -> None:
    """From raw folders to the report: every encoder, readout, head, task, label share, lead set."""
    from myocard.benchmark.estimate import Piece, estimate
    from myocard.benchmark.reading import read_grid
    from myocard.benchmark.run import benchmark as run

    grid = read_grid(recipe, change or ())
    if dry_run:
        pieces = estimate(grid, out, jobs=jobs)
        for piece in [*pieces, Piece("in all", sum(piece.seconds for piece in pieces))]:
            cost = timedelta(seconds=round(piece.seconds)) if piece.seconds else "there"
            print(f"{cost!s:>16}  {piece.name}")
        return
    with occupied(out), bar() as advance:
        page = run(grid, out, advance, test=test, jobs=jobs)
    print(page)
