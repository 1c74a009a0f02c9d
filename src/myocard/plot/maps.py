"""Maps of records by layer: small multiples in two dimensions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import orthogonal_procrustes

from myocard.errors import InputError
from myocard.plot.canvas import COLOURS, styled
from myocard.plot.panels import Panels, panels

Points = NDArray[np.floating]

_MARKERS = ("o", "^", "s")
_ACROSS = 5
_NEIGHBOURS = 15
_MOST = 1e15
"""Size of numbers whose squares are told in single precision."""


@styled
def layer_maps(
    states: NDArray[np.floating] | Sequence[NDArray[np.floating]],
    labels: ArrayLike,
    method: str = "pca",
    ax: Any = None,
    *,
    seed: int = 0,
) -> Panels:
    """Draw the records in two dimensions, a panel for each layer.

    Every panel tells its trustworthiness (Venna and Kaski, 2001; 15 neighbours): 1 where neighbours
    on the map are neighbours among the states. Each is turned to lie as the one before; axes of a
    map mean nothing, and distances between groups on one of ``tsne`` or ``umap`` little. Time and
    memory grow with the square of the records; draw two thousand at most.

    Args:
        states: ``(records, layers, width)``, as ``Model.hidden_states`` gives them, or one
            ``(records, width)`` a layer.
        labels: ``(records,)``: names, or numbers, which are drawn on a scale.
        method: ``pca``, ``tsne``, or ``umap`` (``pip install 'myocard[maps]'``).
        ax: Axes to draw on, an array of as many as there are layers, or None for a new figure.
        seed: Seed of ``tsne`` and ``umap``.

    Returns:
        The axes, one a layer.

    Raises:
        InputError: When labels and records differ in number, there are too few records or too many
            names, states are not finite or the same in all records, the method is unknown, or its
            package is missing.
    """
    by_layer = [*np.moveaxis(states, 1, 0)] if isinstance(states, np.ndarray) else [*states]
    marks = np.asarray(labels)
    _require(by_layer, marks)
    maps = _aligned([_placed(each, method, seed) for each in by_layer])
    across = min(_ACROSS, len(by_layer))
    axes = panels(len(maps), ax, 1.75, 1.85, across=across)
    for layer, (each, points) in enumerate(zip(axes, maps, strict=True)):
        drawn = _draw(each, points, marks)
        trust = _trust(by_layer[layer], points)
        each.set_title(f"layer {layer} · trust {trust:.2f}", fontsize=8.5, pad=3)
    _explain(axes, drawn, marks)
    return axes


def _require(by_layer: Sequence[Points], marks: NDArray[Any]) -> None:
    records = len(by_layer[0])
    if marks.shape != (records,):
        raise InputError(f"labels of shape {marks.shape} for {records} records; give one a record")
    if records <= 2 * _NEIGHBOURS:
        raise InputError(f"{records} records; a map needs more than {2 * _NEIGHBOURS}")
    for layer, each in enumerate(by_layer):
        if each.ndim != 2 or each.shape[0] != records or each.shape[1] < 2:
            shape = each.shape
            raise InputError(f"layer {layer} has states of shape {shape}; give (records, width)")
        if not (np.abs(each) < _MOST).all():
            raise InputError(f"layer {layer} holds numbers that are not finite, or beyond {_MOST}")
        if not np.ptp(each, axis=0).any():
            raise InputError(f"layer {layer} is the same in all records; leave it out")
    missing = 0 if _are_numbers(marks) else int(pd.isna(marks).sum())
    if missing:
        raise InputError(f"{missing} of {records} labels are missing; fill them, as with '?'")
    names = len(np.unique(marks))
    most = len(COLOURS) * len(_MARKERS)
    if not _are_numbers(marks) and names > most:
        raise InputError(f"{names} names of labels; {most} can be told apart: gather the rare ones")


def _are_numbers(marks: NDArray[Any]) -> bool:
    return np.issubdtype(marks.dtype, np.number)


def _placed(states: Points, method: str, seed: int) -> Points:
    """The records of one layer in two dimensions, ``(records, 2)``."""
    if method == "pca":
        from sklearn.decomposition import PCA

        return np.asarray(PCA(2, svd_solver="full").fit_transform(states))
    if method == "tsne":
        from sklearn.manifold import TSNE

        return np.asarray(TSNE(random_state=seed, init="pca").fit_transform(states))
    if method != "umap":
        raise InputError(f"method {method!r}: choose pca, tsne or umap")
    try:
        from umap import UMAP
    except ImportError as error:
        raise InputError("umap needs a package: pip install 'myocard[maps]'") from error
    # With a seed it runs in one thread, of which it would warn.
    reducer = UMAP(n_neighbors=_NEIGHBOURS, random_state=seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(states))


def _aligned(maps: Sequence[Points]) -> list[Points]:
    """The maps about 0 and of one size, each turned (or mirrored) to lie as the one before."""
    centred = [each - each.mean(axis=0) for each in maps]
    found = [each / np.linalg.norm(each) for each in centred]
    for layer in range(1, len(found)):
        turn, _ = orthogonal_procrustes(found[layer], found[layer - 1])
        found[layer] = found[layer] @ turn
    return found


def _trust(states: Points, points: Points) -> float:
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(states, points, n_neighbors=_NEIGHBOURS))


def _draw(axes: Axes, points: Points, marks: NDArray[Any]) -> Any:
    """The records; what a scale of numbers is explained by, or None."""
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.set_adjustable("datalim")
    axes.spines[:].set_visible(False)
    x, y = points.T
    size = float(np.clip(4000 / len(points), 3, 14))
    if _are_numbers(marks):
        return axes.scatter(x, y, c=marks, cmap="cividis", s=size, lw=0, alpha=0.85)
    for place, name in enumerate(np.unique(marks)):
        colour = COLOURS[place % len(COLOURS)]
        marker = _MARKERS[place // len(COLOURS)]
        own = marks == name
        axes.scatter(
            x[own], y[own], color=colour, marker=marker, s=size, lw=0, alpha=0.75, label=str(name)
        )
    return None


def _explain(axes: Panels, drawn: Any, marks: NDArray[Any]) -> None:
    figure = axes[0].figure
    if drawn is not None:
        bar = figure.colorbar(drawn, ax=list(axes), pad=0.01, fraction=0.03)
        bar.outline.set_visible(False)
        return
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=6, markerscale=1.8)
