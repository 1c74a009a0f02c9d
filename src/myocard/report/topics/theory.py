"""Measures of a layer with their theory in two sentences; docs/theory.md has it in full."""

from typing import NamedTuple

from myocard.report.words import read_words


class Measure(NamedTuple):
    """A panel of the figure of measures.

    Attributes:
        key: As in ``layers.json``.
        label: Its title.
        unit: At its axis.
        theory: Its definition and why it might matter, with the source.
    """

    key: str
    label: str
    unit: str
    theory: str


_ALL = [Measure(key, **words) for key, words in read_words("measures").items()]
MEASURES = tuple(measure for measure in _ALL if measure.key != "alignment")
(ALIGNMENT,) = (measure.theory for measure in _ALL if measure.key == "alignment")
