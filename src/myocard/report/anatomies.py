"""What every layer of an encoder is like, under the curve of its probes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from pydantic import BaseModel, Field, ValidationError

from myocard.errors import InputError
from myocard.report.drawing import BLUE, GREY, HAIRLINE, INK, Figure, style, to_svg
from myocard.report.runs import EncoderStatement, Split, find_files
from myocard.report.theory import MEASURES


class Point(BaseModel):
    layer: int
    value: float
    low: float
    high: float


class Anatomy(BaseModel):
    """A ``layers.json`` of schema 1."""

    version: Literal[1] = Field(alias="schema")
    encoder: EncoderStatement
    task: str
    source: str
    leads: list[str]
    split: Split
    records: dict[str, int]
    best_layer: int
    measures: dict[str, list[Point]]
    alignment: list[list[float]]
    hashes: dict[str, Any]

    @property
    def label(self) -> str:
        weights = "random weights" if self.encoder.random else "pretrained"
        return f"{self.encoder.name}, {weights}"

    @property
    def ground(self) -> tuple[Any, ...]:
        """What two anatomies have alike that can be compared."""
        depth = (self.encoder.layers, self.encoder.width)
        return self.hashes["store"], self.task, self.split, tuple(self.leads), depth


def anatomies(paths: Sequence[Path]) -> list[Figure]:
    """Two figures for each pretrained encoder, random weights beside it: measures, alignment.

    Raises:
        InputError: When a ``layers.json`` is not of schema 1.
    """
    found = [_read(file) for file, _ in find_files(paths, "layers.json")]
    trained = [each for each in found if not each.encoder.random]
    figures = []
    for place, each in enumerate(trained or found, start=1):
        alike = [x for x in found if x.encoder.random and x.ground == each.ground and x is not each]
        figures += [_measures(each, alike, place), _alignment([each, *alike[:1]], place)]
    return figures


def _read(path: Path) -> Anatomy:
    try:
        return Anatomy.model_validate_json(path.read_text())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}; run `myocard layers` again") from error


def _measures(anatomy: Anatomy, random: Sequence[Anatomy], place: int) -> Figure:
    name = f"anatomy-{place}"
    drawn = [measure for measure in MEASURES if measure.key in anatomy.measures]
    with style():
        heights = [2.2 if measure.key == "auroc" else 1.0 for measure in drawn]
        canvas = Canvas(figsize=(5.4, 0.82 * sum(heights) + 0.6), layout="constrained")
        panels = canvas.subplots(len(drawn), sharex=True, height_ratios=heights, squeeze=False)
        for axes, measure in zip(panels[:, 0], drawn, strict=True):
            for other in random:
                _draw(axes, other.measures[measure.key], GREY, "random weights")
            _draw(axes, anatomy.measures[measure.key], BLUE, "pretrained")
            axes.set_title(measure.label, fontsize=8.5, pad=3)
            axes.set_ylabel(measure.unit, fontsize=8)
            axes.axvline(anatomy.best_layer, color=INK, lw=0.8, ls=(0, (1, 2)), zorder=0)
            axes.grid(axis="y")
        panels[0, 0].legend(*_once(panels[0, 0]), loc="lower right", ncols=2, fontsize=8)
        panels[-1, 0].set_xticks(range(len(anatomy.alignment)))
        panels[-1, 0].set_xlabel("Layer (0: embedding)")
        canvas.align_ylabels()
        svg = to_svg(canvas, name, f"Measures of every layer, {anatomy.label}")
    return Figure(name, _caption(anatomy, random), svg, _numbers([anatomy, *random]))


def _draw(axes: Axes, points: Sequence[Point], colour: str, label: str) -> None:
    layers = [point.layer for point in points]
    low, high = ([getattr(point, end) for point in points] for end in ("low", "high"))
    axes.fill_between(layers, low, high, color=colour, alpha=0.18, lw=0)
    axes.plot(
        layers, [point.value for point in points], color=colour, marker="o", ms=2.6, lw=1.3,
        label=label,
    )  # fmt: skip


def _once(axes: Axes) -> tuple[list[Any], list[str]]:
    """Handles and labels, each label once, the last drawn first."""
    handles, labels = axes.get_legend_handles_labels()
    named = dict(zip(labels, handles, strict=True))
    return list(named.values())[::-1], list(named)[::-1]


def _caption(anatomy: Anatomy, random: Sequence[Anatomy]) -> str:
    beside = "grey, with random weights" if random else "no random encoder was measured beside it"
    train, scored = anatomy.records["train"], anatomy.records[anatomy.split]
    return (
        f"{anatomy.label}, {anatomy.task}, {anatomy.source}: what every layer is like. Blue, this "
        f"encoder; {beside}; bands, 95 % intervals; dotted, the best layer on validation. Probes "
        f"and reconstruction are scored on {anatomy.split} (reconstruction on {scored} records); "
        f"the other measures describe {train} training records and look at no label. Attention is "
        "drawn at the layer that comes out of its block."
    )


def _numbers(found: Sequence[Anatomy]) -> pd.DataFrame:
    lines = [
        {"encoder": each.label, "measure": name} | point.model_dump()
        for each in found
        for name, points in each.measures.items()
        for point in points
    ]
    return pd.DataFrame(lines)


def _alignment(found: Sequence[Anatomy], place: int) -> Figure:
    name, first = f"alignment-{place}", found[0]
    layers = np.arange(len(first.alignment) + 1) - 0.5
    with style():
        canvas = Canvas(figsize=(5.4, 3.1), layout="constrained")
        panels = canvas.subplots(1, len(found), sharey=True, squeeze=False)[0]
        for axes, each in zip(panels, found, strict=True):
            image = axes.pcolormesh(layers, layers, each.alignment, cmap="cividis", vmin=0, vmax=1)
            axes.set_title("random weights" if each.encoder.random else "pretrained")
            axes.set(aspect="equal", xlabel="Layer")
            axes.spines[:].set_visible(False)
            axes.tick_params(color=HAIRLINE)
        panels[0].set_ylabel("Layer")
        bar = canvas.colorbar(image, ax=list(panels), pad=0.02, fraction=0.05, shrink=0.8)
        bar.set_label("Linear CKA")
        bar.outline.set_visible(False)
        svg = to_svg(canvas, name, f"Alignment of layers, {first.label}")
    caption = (
        f"{first.label}: linear CKA (unbiased) of the pooled states of every two layers, on "
        f"{first.records['train']} training records. 1: the same but for rotation and scale. "
        "Blocks on the diagonal are stages; a dark row is a layer apart from the others."
    )
    lines = [
        {"encoder": each.label, "layer": row, "other": column, "cka": value}
        for each in found
        for row, values in enumerate(each.alignment)
        for column, value in enumerate(values)
    ]
    return Figure(name, caption, svg, pd.DataFrame(lines))
