"""Layer weights of mixtures."""

import numpy as np
import pandas as pd

from myocard.plot.canvas import INK, canvas_of, to_svg
from myocard.report.blocks import Block, galleries, headed
from myocard.report.drawing import Figure
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section
from myocard.tasks.task import TASKS

Rows = dict[str, tuple[float, ...]]

_RHYTHMS = {*TASKS["ptbxl-rhythm"].class_of, *TASKS["chapman-rhythm"].class_of}
_MIXTURES = {"scalar-mix": "scalar mix", "pma": "PMA, all records"}


def blocks(section: Section) -> list[Block]:
    """The heat maps under a heading."""
    return headed("What the mixtures weigh", galleries(layer_weights(section)))


def layer_weights(section: Section) -> list[Figure]:
    """A heat map for each group that has a PMA or a scalar mix with stored weights."""
    tables = [(group, weights(group)) for group in section.groups]
    return [_figure(section, group, table) for group, table in tables if len(table)]


def weights(group: Group) -> pd.DataFrame:
    """Rows: mixtures, then PMA's records of each class and rhythm. Columns: layers from 0."""
    rows = {label: row for block in _blocks(group) for label, row in block.items()}
    return pd.DataFrame.from_dict(rows, orient="index")


def _blocks(group: Group) -> list[Rows]:
    stated = {name: run.info.layer_weights for name, run in group.runs.items()}
    mixtures = {
        label: found.mean for name, label in _MIXTURES.items() if (found := stated.get(name))
    }
    pma = stated.get("pma")
    if pma is None:
        return [mixtures]
    classes = {name: each for name, each in pma.by_class.items() if each is not None}
    rhythms = {
        f"{name} ({each.records})": each.mean
        for code, each in pma.by_code.items()
        if code in _RHYTHMS and (name := code.partition(":")[2]) not in classes
    }
    return [mixtures, classes, rhythms]


def _figure(section: Section, group: Group, table: pd.DataFrame) -> Figure:
    name = section.stem("weights", group)
    layers = table.shape[1]
    with canvas_of(5.4, 0.27 * len(table) + 1.0) as canvas:
        axes = canvas.subplots()
        image = axes.pcolormesh(
            np.arange(layers + 1) - 0.5, np.arange(len(table) + 1) - 0.5, table.to_numpy(),
            cmap="cividis", vmin=0, edgecolor="white", lw=0.8,
        )  # fmt: skip
        axes.invert_yaxis()
        axes.set_xticks(range(layers))
        axes.set_yticks(range(len(table)), table.index)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("Layer (0: embedding)")
        axes.set_title(group.label)
        for end in np.cumsum([len(block) for block in _blocks(group) if block])[:-1]:
            axes.axhline(end - 0.5, color=INK, lw=1)
        bar = canvas.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
        bar.set_label("Mean weight")
        bar.outline.set_visible(False)
    svg = to_svg(canvas, name, f"Mean weight of every layer, {group.label}")
    caption = NOTES["weights"].format(group=group.label, where=_where(group))
    return Figure(name, caption, svg, table.rename_axis("mixture").reset_index())


def _where(group: Group) -> str:
    stated = [group.runs[name].info.layer_weights for name in _MIXTURES if name in group.runs]
    splits = sorted({found.split for found in stated if found and found.split})
    return f", on {' and '.join(splits)}" if splits else ""
