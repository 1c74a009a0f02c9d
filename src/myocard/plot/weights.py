"""Layer weights of mixtures: over records, and along a recording."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from myocard.errors import InputError
from myocard.files.tables import read_parquet
from myocard.plot.canvas import BLUE, GREY, INK, LESS_TO_MORE, SKY, styled
from myocard.plot.panels import one_or_all, panels
from myocard.results.compare.names import label_of
from myocard.results.saved import SavedRun

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_FIX = "give the table that `myocard predict --step` writes"


@styled
def layer_weights(run: SavedRun, ax: Any = None) -> Axes:
    """Draw how much of each layer a mixture takes: the mean, and its spread over records.

    Thick lines hold the middle half of the records, thin ones nine in ten; a white line is the
    median, a diamond the mean; the dashed line is equal weights. A mixture that weighs all records
    alike has a mean only.

    Args:
        run: A run of a readout that weighs layers.
        ax: Axes to draw on, or None for a new figure.

    Raises:
        InputError: When the run states no layer weights.
    """
    stated = run.info.layer_weights
    if stated is None:
        raise InputError(
            f"{run.folder}: {run.info.readout} states no layer weights; take a run of a mixture"
        )
    table = run.layer_weights(stated.split)
    if table is None or table.empty:
        table = pd.DataFrame([stated.mean])
    (axes,) = panels(1, ax, 5.4, 2.6)
    numbers = quantiles(table)
    draw_weights(axes, numbers)
    axes.set_ylim(0, 1.05 * numbers.query("layer > 0")["q95"].max())
    axes.set_title(f"{run.info.encoder.name}: {label_of(run)}, on {stated.split}")
    axes.set(xlabel="Layer", ylabel="Weight")
    axes.grid(axis="y")
    return axes


def quantiles(table: pd.DataFrame) -> pd.DataFrame:
    """Mean and quantiles of each layer's weights, a column of ``table`` a layer."""
    return pd.DataFrame(
        [
            {"layer": layer, "mean": weights.mean()}
            | {f"q{round(100 * q):02d}": weights.quantile(q) for q in _QUANTILES}
            for layer, weights in table.items()
        ]
    )


def draw_weights(axes: Axes, numbers: pd.DataFrame) -> None:
    """Draw what ``quantiles`` tells of the blocks."""
    blocks = numbers[numbers["layer"] > 0]
    axes.vlines(blocks["layer"], blocks["q05"], blocks["q95"], color=SKY, lw=3)
    axes.vlines(blocks["layer"], blocks["q25"], blocks["q75"], color=BLUE, lw=6)
    axes.plot(blocks["layer"], blocks["q50"], "_", color="white", ms=7, mew=1.6)
    axes.plot(blocks["layer"], blocks["mean"], "D", color=INK, ms=3)
    axes.axhline(1 / len(blocks), color=GREY, lw=0.8, ls=(0, (4, 3)), zorder=0)
    axes.set_xticks(blocks["layer"])


@styled
def gate_over_time(predictions: pd.DataFrame | Path | str, ax: Any = None) -> Any:
    """Draw how a gate moves along long recordings: the weight of each layer in every window.

    A panel a recording. Colours are differences to the layer's mean over the recording, which
    stands beside its number: a gate that weighs all windows alike is white. Windows that could not
    be used stay blank.

    Args:
        predictions: The table that ``myocard predict --step`` writes, or its path: with columns
            ``record``, ``start`` in seconds, and ``layer:0`` on.
        ax: Axes to draw on, an array of as many as there are recordings, or None for a new figure.

    Returns:
        The axes, or an array of them where there are several recordings.

    Raises:
        InputError: When columns are missing, or the file is no table.
    """
    table = predictions if isinstance(predictions, pd.DataFrame) else _read(Path(predictions))
    layers = [name for name in map(str, table) if name.startswith("layer:")]
    lacking = [name for name in ("record", "start") if name not in table]
    if lacking or not layers:
        raise InputError(f"no column {', '.join(lacking) or 'layer:0'}; {_FIX}")
    found = list(table.groupby("record", sort=False))
    axes = panels(len(found), ax, 7.2, 0.2 * len(layers) + 0.9)
    for each, (record, rows) in zip(axes, found, strict=True):
        _draw_time(each, rows.sort_values("start"), layers[1:])
        each.set_title(str(record))
    axes[-1].set_xlabel("Hours from the start")
    return one_or_all(axes)


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(f"{path}: no such file; {_FIX}")
    if path.suffix == ".parquet":
        return read_parquet(path, ("record", "start"), _FIX)
    try:
        return pd.read_csv(path)
    except ValueError as error:
        raise InputError(f"{path}: no table ({error}); {_FIX}") from error


def _draw_time(axes: Axes, rows: pd.DataFrame, layers: list[str]) -> None:
    hours = rows["start"].to_numpy(float) / 3600
    step = np.median(np.diff(hours)) if len(hours) > 1 else 10 / 3600
    weights = rows[layers].to_numpy(float)
    means = np.nanmean(weights, axis=0)
    most = max(0.01, np.nanmax(np.abs(weights - means)))
    image = axes.pcolormesh(
        np.append(hours, hours[-1] + step), np.arange(len(layers) + 1) + 0.5, (weights - means).T,
        cmap=LESS_TO_MORE, vmin=-most, vmax=most, rasterized=True,
    )  # fmt: skip
    names = [name.removeprefix("layer:") for name in layers]
    told = [f"{name} ({mean:.2f})" for name, mean in zip(names, means, strict=True)]
    axes.set_yticks(np.arange(len(layers)) + 1, told, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylabel("Layer (mean weight)")
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(image, ax=axes, pad=0.01, fraction=0.03)
    bar.set_label("Weight − mean")
    bar.outline.set_visible(False)
