"""The whole benchmark, from raw folders to the report, by one command."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from myocard.cli.options import WHOLE, Changes, Log, Test, app, track, tracking
from myocard.cli.progress import shown
from myocard.files.atomic import occupied

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
    print(page)


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

        left = 0.0
        for piece in estimate(wanted, out, test=test, jobs=jobs):
            left += piece.seconds
            told = f"{timedelta(seconds=round(piece.seconds))!s:>16}"
            print(f"{told if piece.state == 'missing' else f'{piece.state:>16}'}  {piece.name}")
            if piece.reason:
                print(f"{'':16}  {piece.reason}")
        print(f"{timedelta(seconds=round(left))!s:>16}  left to do, about")
        return
    with occupied(out), shown() as progress:
        page = run_benchmark(wanted, out, progress, test=test, jobs=jobs)
    track(tracker, [out])
    print(page)
