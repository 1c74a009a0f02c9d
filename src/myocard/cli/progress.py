"""Progress of long work, drawn on standard error."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from myocard.cli.options import console

# Programs are imported where they are called: `myocard --help` should not wait for torch.
if TYPE_CHECKING:
    from myocard.training import loop

Advance = Callable[[str, int, int], None]


@contextmanager
def bar() -> Iterator[Advance]:
    """A progress bar with a line for each piece of work, drawn on standard error."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console)
    lines: dict[str, TaskID] = {}

    def advance(what: str, done: int, total: int) -> None:
        bar.start()
        name = what.split(",")[0]
        if name not in lines:
            lines[name] = bar.add_task(name, total=total)
        bar.update(lines[name], completed=done, total=total, description=what)

    try:
        yield advance
    finally:
        if lines:  # a command that was refused draws nothing
            bar.stop()


def steps(verb: str, advance: Advance) -> "Callable[[loop.Progress], None]":
    def step(progress: "loop.Progress") -> None:
        advance(f"{verb}, loss {progress.loss:.4f}", progress.step, progress.steps)

    return step
