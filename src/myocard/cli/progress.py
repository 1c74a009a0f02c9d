"""Progress of long work on standard error: bars in a terminal, a line for each piece in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich_progress
from rich.table import Column

from myocard.cli.options import console
from myocard.files.progress import Progress

_HEARTBEAT = 60.0
"""Seconds after which a log tells of a piece that is still going on."""


@contextmanager
def shown() -> Iterator[Progress]:
    """Show progress within a ``with`` block."""
    if not console.is_terminal:
        yield Lines()
        return
    # The description takes the room that is left, so that a line fits any terminal.
    room_left = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    bars = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}", table_column=room_left),
        rich_progress.BarColumn(bar_width=12),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TimeElapsedColumn(),
        rich_progress.TimeRemainingColumn(compact=True),
        console=console,
        expand=True,
    )
    tasks: dict[str, rich_progress.TaskID] = {}

    def progress(what: str, done: int, total: int) -> None:
        bars.start()
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    try:
        yield progress
    finally:
        if tasks:  # a command that was refused draws nothing
            bars.stop()


class Lines:
    """One line for each piece of work when it is done, and one a minute while it goes on."""

    def __init__(self) -> None:
        self.began: dict[str, float] = {}
        self.told: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        began = self.began.setdefault(what, now)
        if done >= total:
            self.began.pop(what)
            self.told.pop(what, None)
            self._print(f"{what}: {total:,} in {now - began:.1f} s")
        elif now - self.told.setdefault(what, began) >= _HEARTBEAT:
            self.told[what] = now
            self._print(f"{what}: {done:,} of {total:,} after {now - began:.0f} s")

    def _print(self, line: str) -> None:
        console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
