"""Out of distribution: probes of one data set scored on another, beside those that stayed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from myocard.metrics.scores import macro_resamples
from myocard.report import tables
from myocard.report.comparisons import Section
from myocard.report.drawing import INK, Figure, style, to_svg
from myocard.report.names import READOUTS
from myocard.report.runs import Run
from myocard.report.tables import Table

_DRAWN = ("last", "ppa", "scalar-mix", "pma", "concat")


@dataclass(frozen=True)
class Transfers:
    """All that was transferred of one task.

    Attributes:
        task: Its name.
        figures: A matrix for each head.
        tables: Of each pair of data sets, readouts against the last layer and encoders against
            what they should beat, on the data set that the probes were not trained on.
        runs: Those that were transferred.
    """

    task: str
    figures: list[Figure]
    tables: list[Table]
    runs: list[Run]


def transfers(sections: Sequence[Section]) -> list[Transfers]:
    """The chapters of the tasks of which something was transferred."""
    crossed = [section for section in sections if section.trained_on is not None]
    return [
        _of_task(task, [section for section in sections if section.task == task])
        for task in dict.fromkeys(section.task for section in crossed)
    ]


def _of_task(task: str, sections: Sequence[Section]) -> Transfers:
    crossed = [section for section in sections if section.trained_on is not None]
    heads = sorted({run.states.head for section in crossed for run in section.runs})
    by_head = {head: cells(sections, head) for head in heads}
    return Transfers(
        task,
        [_matrix(task, head, found) for head, found in by_head.items() if len(found)],
        [table for section in crossed for table in _tables(section)],
        [run for section in crossed for run in section.every_run],
    )


def _tables(section: Section) -> list[Table]:
    where = f"trained on {section.trained_on}, tested on {section.source}"
    made = [tables.readouts(section), tables.encoders(section)]
    return [
        Table(t.name, f"{t.caption} Probes {where}.", t.shown, t.numbers, t.grouped)
        for t in made
        if len(t.shown)
    ]


def cells(sections: Iterable[Section], head: str) -> pd.DataFrame:
    """A row for each encoder, drawn readout, data set of training and data set of testing.

    Of probes that were tested on one data set, only the classes that all of them know count, so
    that a column can be read from top to bottom.
    """
    runs = [
        run
        for section in sections
        for group in section.groups
        for readout, run in group.runs.items()
        if run.states.head == head and readout in _DRAWN and run.states.kind == "probe"
        if run.states.test is not None
    ]
    tested = {_stores(run)[1] for run in runs if run.states.trained_on}
    kept = [run for run in runs if _stores(run)[1] in tested or run.states.trained_on]
    names = _names(kept)
    rows = [_cell(run, _shared(run, kept), names) for run in kept]
    if not rows:
        return pd.DataFrame()
    order = ["readout", "trained_on", "random", "encoder", "tested_on"]
    table = pd.DataFrame(rows)
    table["readout"] = pd.Categorical(table["readout"], [r for r in READOUTS if r in _DRAWN])
    return table.sort_values(order, ignore_index=True)


def _stores(run: Run) -> tuple[str, str]:
    """Hashes of the stores that a run was trained and tested on: a data set may have several."""
    hashes = run.states.hashes
    return hashes.get("trained_on", hashes["store"]), hashes["store"]


def _names(runs: Sequence[Run]) -> dict[str, str]:
    """What to call each store: its data set, and where that has several also its own name."""
    sources: dict[str, str] = {}
    called: dict[str, str] = {}
    for run in runs:
        states, stores = run.states, _stores(run)
        ends = (states.trained_on or states.source, states.source)
        sources |= dict(zip(stores, ends, strict=True))
        told = states.recipe.get("transfer", {}).get("stores")
        called |= dict(zip(stores, told or [], strict=False))
    several = [*sources.values()]
    return {
        store: source if several.count(source) == 1 else f"{source}, {called.get(store, store[:8])}"
        for store, source in sources.items()
    }


def _shared(run: Run, runs: Sequence[Run]) -> list[str]:
    peers = [set(other.states.classes) for other in runs if _stores(other)[1] == _stores(run)[1]]
    return [name for name in run.states.classes if all(name in peer for peer in peers)]


def _cell(run: Run, classes: list[str], names: dict[str, str]) -> dict[str, object]:
    states, found = run.states, run.predictions("test")
    columns = [states.classes.index(name) for name in classes]
    value, *drawn = macro_resamples(
        found.targets[:, columns], found.scores[..., columns], groups=found.patients
    )
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {
        "readout": states.readout,
        "encoder": states.encoder.name,
        "random": states.encoder.random,
        "corpus_has_tested": states.source in (states.encoder.sources or {}),
        "trained_on": names[_stores(run)[0]],
        "tested_on": names[_stores(run)[1]],
        "records": len(found.ids),
        "classes": len(classes),
        "auroc": float(value),
        "low": float(low),
        "high": float(high),
        "run": run.place,
    }


def _matrix(task: str, head: str, numbers: pd.DataFrame) -> Figure:
    name = f"{task}-transfer-{head}"
    readouts = [each for each in READOUTS if each in set(numbers["readout"])]
    lines = list(dict.fromkeys(zip(numbers["trained_on"], numbers["encoder"], strict=True)))
    columns = sorted(set(numbers["tested_on"]))
    across = min(2, len(readouts))
    down = -(-len(readouts) // across)
    size = (2.2 + across * (0.2 + 0.85 * len(columns)), down * (0.9 + 0.38 * len(lines)))
    with style():
        canvas = Canvas(figsize=size, layout="constrained")
        grid = canvas.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        for place, (axes, readout) in enumerate(zip(grid.flat, readouts, strict=False)):
            _panel(axes, numbers[numbers["readout"] == readout], lines, columns)
            axes.set_title(READOUTS[readout].split(":")[0])
            lowest = place + across >= len(readouts)
            axes.tick_params(length=0, labelsize=7, labelbottom=lowest)
        for axes in grid.flat[len(readouts) :]:
            axes.set_visible(False)
        labels = [f"{encoder}\n{_short(trained)}" for trained, encoder in lines]
        grid[0, 0].set_yticks(range(len(lines)), labels)
        grid[0, 0].set_xticks(range(len(columns)), [fill(c, 14) for c in columns])
        canvas.supxlabel("Tested on", fontsize=9)
        canvas.supylabel("Encoder, and what its probe was trained on", fontsize=9)
        svg = to_svg(canvas, name, f"Macro AUROC by data set of training and testing, {task}")
    caption = (
        f"{task}, {head} head: macro AUROC and 95 % interval of probes by the data set that they "
        "were trained on (rows) and tested on (columns). A column counts only the classes that all "
        "its probes know; one that stayed at home is scored on its test folds, one from elsewhere "
        "on all records that were asked for. Bold: the encoder's corpus has records of the tested "
        "data set, though none that is scored."
    )
    return Figure(name, caption, svg, numbers)


def _short(text: str) -> str:
    return f"on {text}" if len(text) <= 34 else f"on {text[:33]}…"


def _panel(
    axes: Axes, numbers: pd.DataFrame, lines: list[tuple[str, str]], columns: list[str]
) -> None:
    image = np.full((len(lines), len(columns)), np.nan)
    for cell in numbers.to_dict("records"):
        row = lines.index((cell["trained_on"], cell["encoder"]))
        column = columns.index(cell["tested_on"])
        image[row, column] = cell["auroc"]
        colour = "white" if cell["auroc"] < 0.75 else INK
        place: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
        weight = "bold" if cell["corpus_has_tested"] else "normal"
        axes.text(column, row, f"{cell['auroc']:.3f}\n", fontsize=8.5, weight=weight, **place)
        interval = f"\n{cell['low']:.2f}–{cell['high']:.2f}"
        axes.text(column, row, interval, fontsize=6.5, **place)
    axes.imshow(image, cmap="cividis", vmin=0.5, vmax=1, aspect="auto")
    axes.spines[:].set_visible(False)
