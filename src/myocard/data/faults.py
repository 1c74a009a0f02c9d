"""The error that says in one word what is wrong with a record."""

from myocard.errors import InputError


class Unfit(InputError):
    """Error for a record that an encoder cannot read.

    Attributes:
        reason: ``missing_lead``, ``too_short``, ``not_finite``, ``flat_lead`` (constant),
            ``too_large`` (for a filter) or ``no_voltage``.
    """

    # With a default, so that it can be pickled.
    def __init__(self, told: str, reason: str = "") -> None:
        super().__init__(told)
        self.reason = reason
