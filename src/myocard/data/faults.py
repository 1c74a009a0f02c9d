"""The error that says in one word what is wrong with a record."""

from pathlib import Path

from myocard.errors import InputError


class Unfit(InputError):
    """Error for a record that an encoder cannot read.

    Attributes:
        reason: ``missing_lead``, ``too_short``, ``not_finite``, ``flat_lead`` (constant),
            ``too_large`` (for a filter), ``no_voltage`` or ``unreadable``.
    """

    # With a default, so that it can be pickled.
    def __init__(self, told: str, reason: str = "") -> None:
        super().__init__(told)
        self.reason = reason


def unreadable(file: Path, error: Exception) -> Unfit:
    """Return the error for a file that a reader failed on, so that others are not lost with it."""
    told = f"{file}: not readable ({type(error).__name__}: {error})"
    return Unfit(" ".join(told.split()), "unreadable")
