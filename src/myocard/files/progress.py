"""Progress of a program: one signature everywhere."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Callback told what is being done, how much of it is done, and how much there is.

``what`` stays the same while one piece of work goes on.
"""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
