"""Layer by class: which layer tells which class, and how surely it differs from the last."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from myocard.errors import InputError
from myocard.metrics.outcomes import headline_metric
from myocard.metrics.resamples import resampled
from myocard.metrics.scores import LEVEL, Reals
from myocard.plot.canvas import INK, styled
from myocard.plot.panels import one_or_all, panels
from myocard.results.compare.comparisons import Group, Section, sections
from myocard.results.compare.pairs import predictions
from myocard.results.saved import SavedRun

_RESAMPLES = 1000
_WIDEST = 16
"""More layers than this leave no room for numbers in the cells."""
_LIGHTNESS = np.array([0.299, 0.587, 0.114, 0])
"""Weights of red, green, blue and opacity."""


class Cells(NamedTuple):
    """The leading metric of every layer and class, each ``(classes, layers)``.

    Attributes:
        value: Its value.
        low: Lower end of its 95 % interval.
        high: Upper end.
        differs: True where the paired interval of the difference to the last layer excludes 0.
    """

    value: Reals
    low: Reals
    high: Reals
    differs: np.ndarray


@styled
def layer_classes(runs: Iterable[SavedRun], ax: Any = None) -> Any:
    """Draw a heat map of layer by class; a panel for each task, encoder and head.

    Cells state the leading metric with its 95 % interval over patients. A cell is hatched where the
    paired difference to the last layer is not told from 0; each cell is a question of its own, and
    intervals are not adjusted for their number.

    Args:
        runs: Runs, as ``myocard.load_runs`` finds them; those of single layers are drawn.
        ax: Axes to draw on, an array of as many as there are panels, or None for a new figure.

    Returns:
        The axes, or an array of them where there are several panels.

    Raises:
        InputError: When no encoder has several single layers.
    """
    found = [
        (section, group)
        for section in sections(runs)
        for group in section.groups
        if len(group.layers) > 1 and not group.random
    ]
    if not found:
        raise InputError("no pretrained encoder has several single layers; probe with `layers`")
    layers = max(len(group.layers) for _, group in found)
    classes = max(len(group.first.info.classes) for _, group in found)
    axes = panels(len(found), ax, min(1.9 + 0.62 * layers, 11), 1.1 + 0.42 * classes)
    for each, (section, group) in zip(axes, found, strict=True):
        _draw(each, section, group)
    return one_or_all(axes)


def cells_of(group: Group) -> Cells:
    """Score every layer on every class, paired with the last layer."""
    layers = [group.layers[layer] for layer in sorted(group.layers)]
    read = [predictions(run, group.split) for run in layers]
    first = read[0]
    if any(not np.array_equal(each.ids, first.ids) for each in read):
        raise InputError(
            f"{group.label}: its layers were scored on other records; probe them again"
        )
    metric = headline_metric(layers[0].info.outcome)
    values = resampled(
        metric, first.targets, [each.scores for each in read], groups=first.patients,
        resamples=_RESAMPLES, seed=0,
    )  # fmt: skip
    by_layer = np.stack([of_run[0].mean(axis=0) for of_run in values])  # layers, draws, classes
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.nanquantile(by_layer[:, 1:], ends, axis=1)
    below, above = np.nanquantile(by_layer[:, 1:] - by_layer[-1:, 1:], ends, axis=1)
    return Cells(by_layer[:, 0].T, low.T, high.T, ((below > 0) | (above < 0)).T)


def _draw(axes: Axes, section: Section, group: Group) -> None:
    cells, info = cells_of(group), group.first.info
    layers = sorted(group.layers)
    image = axes.pcolormesh(cells.value, cmap="cividis", edgecolor="white", lw=1)
    unsure = np.ma.masked_where(cells.differs, np.zeros(cells.value.shape))
    unsure[:, -1] = np.ma.masked  # the last layer itself
    hatched = axes.pcolor(unsure, hatch="////", lw=0)
    hatched.set(facecolor="none", edgecolor=(1, 1, 1, 0.35), hatch_linewidth=0.7)
    axes.invert_yaxis()
    names = info.encoder.layer_names
    ticks = [str(layer) if names is None else names[layer] for layer in layers]
    axes.set_xticks(np.arange(len(layers)) + 0.5, ticks, rotation=0 if names is None else 90)
    axes.set_yticks(np.arange(len(info.classes)) + 0.5, info.classes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Layer (0: embedding)" if names is None else "Layer")
    axes.set_title(f"{group.label} (hatched: not told from the last layer)")
    if len(layers) <= _WIDEST:
        _print(axes, cells, image.to_rgba(cells.value) @ _LIGHTNESS > 0.5)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
    bar.set_label(section.metric.removeprefix("Macro "))
    bar.outline.set_visible(False)


def _print(axes: Axes, cells: Cells, light: np.ndarray) -> None:
    """Write value and interval into every cell, dark on what is light."""
    for (row, column), value in np.ndenumerate(cells.value):
        if np.isnan(value):
            continue
        ends = f"{_short(cells.low[row, column])}–{_short(cells.high[row, column])}"
        place: dict[str, Any] = {"ha": "center", "color": INK if light[row, column] else "white"}
        axes.text(column + 0.5, row + 0.46, _short(value), va="bottom", fontsize=8, **place)
        axes.text(column + 0.5, row + 0.54, ends, va="top", fontsize=6, **place)


def _short(value: Any) -> str:
    """Two digits, without the 0 before the point."""
    return f"{value:.2f}".replace("0.", ".", 1)
