"""The layers of one record: what each weighs, and what each says alone."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.report.record.words import number
from myocard.results.explanation import Explanation

_WIDE, _HIGH, _EDGE = 220.0, 90.0, 6.0
"""Size of a layer curve, and the room around it."""


class Weight(NamedTuple):
    """The share of one layer, all of it in percent of the largest that is drawn.

    Attributes:
        layer: Its name.
        share: Its share in this record, in words.
        others: Median and range of other records' shares, in words; empty where they are not known.
        place: Place of this record's share.
        quantiles: Places of the others' quantiles; empty where they are not known.
    """

    layer: str
    share: str
    others: str
    place: float
    quantiles: tuple[float, ...]


class Curve(NamedTuple):
    """The answers of single layers for one output.

    Attributes:
        output: Its name.
        points: Places of the layers that are known, ``(x, y)``.
        model: Height of what the model says.
        low: Value at the bottom.
        high: Value at the top.
        told: All of it in words.
    """

    output: str
    points: tuple[tuple[float, float], ...]
    model: float
    low: str
    high: str
    told: str

    @property
    def line(self) -> str:
        """The ``points`` of a polyline."""
        return " ".join(f"{x:g},{y:g}" for x, y in self.points)


def weights_of(explanation: Explanation) -> list[Weight]:
    """The weights of this record's layers beside those of other records."""
    reference = explanation.reference
    known = reference.weights if reference is not None else None
    others = np.zeros((0, len(explanation.layers))) if known is None else np.array(known.shares)
    most = max(float(explanation.weights.max()), float(others.max(initial=0.0)), 1e-9)
    found = []
    for k, layer in enumerate(explanation.layers):
        column = others[:, k]
        told = f"{column[2]:.2f} ({column[0]:.2f} to {column[-1]:.2f})" if len(column) else ""
        places = tuple(np.round(100 * column / most, 2).tolist())
        share = float(explanation.weights[k])
        found.append(Weight(layer, f"{share:.2f}", told, round(100 * share / most, 2), places))
    return found


def curves_of(explanation: Explanation) -> list[Curve]:
    """The layer curve of every output; none where no single layer is known."""
    single, said = explanation.single, explanation.calibrated.astype(float)
    known = np.flatnonzero(~np.isnan(single).any(axis=1))
    if len(known) < 2:
        return []
    found = []
    for k, output in enumerate(explanation.shape.classes):
        values = single[known, k]
        low, high = _range(explanation, values, float(said[k]))
        places = _EDGE + (_WIDE - 2 * _EDGE) * known / (len(single) - 1)
        heights = _heights(values, low, high)
        points = tuple(zip(places.round(1).tolist(), heights.tolist(), strict=True))
        model = float(_heights(np.array([said[k]]), low, high)[0])
        spread = f"{number(float(values.min()))} to {number(float(values.max()))}"
        told = f"{output} by layer: {spread}; the model says {number(float(said[k]))}"
        found.append(Curve(output, points, model, number(low), number(high), told))
    return found


def _range(
    explanation: Explanation, values: NDArray[np.float64], said: float
) -> tuple[float, float]:
    if explanation.has_probabilities:
        return 0.0, 1.0
    low, high = min(values.min(), said), max(values.max(), said)
    return (low, high) if high > low else (low - 1, high + 1)


def _heights(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    share = (values - low) / (high - low)
    return np.round(_HIGH - _EDGE - (_HIGH - 2 * _EDGE) * share, 1)


def answers_table(explanation: Explanation) -> list[tuple[str, Sequence[str]]]:
    """A row for each layer that is known, with what it says of every output."""
    rows = zip(explanation.layers, explanation.single, strict=True)
    return [(name, [number(v) for v in row]) for name, row in rows if not np.isnan(row).any()]
