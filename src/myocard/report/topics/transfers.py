"""Out of distribution: probes of one data set scored on another, beside those that stayed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from myocard.metrics.summary import macro_resamples
from myocard.plot.canvas import INK, canvas_of, to_svg
from myocard.report.blocks import Block, Chapter, Gallery, Heading, Words, folded_tables
from myocard.report.drawing import Figure
from myocard.report.table import Table
from myocard.report.topics import facts, readouts
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Section
from myocard.results.compare.names import READOUTS
from myocard.results.saved import SavedRun

_DRAWN = ("last", "ppa", "scalar-mix", "pma", "concat")


def chapters(sections: Sequence[Section]) -> list[Chapter]:
    """The chapter of the tasks of which something was transferred, if there is any."""
    transferred = [section for section in sections if section.trained_on is not None]
    blocks: list[Block] = []
    for task in dict.fromkeys(section.task for section in transferred):
        blocks += _of_task(task, [section for section in sections if section.task == task])
    if not blocks:
        return []
    checks = facts.leak_checks(run for section in transferred for run in section.every_run)
    words = Words(NOTES["transfers"], "facts")
    return [Chapter("transfer", "Out of distribution", [words, *checks, *blocks])]


def _of_task(task: str, sections: Sequence[Section]) -> list[Block]:
    """A matrix for each head, and readouts and encoders away from home in tables."""
    transferred = [section for section in sections if section.trained_on is not None]
    heads = sorted({run.info.head for section in transferred for run in section.runs})
    by_head = {head: cells(sections, head) for head in heads}
    matrices = [_matrix(task, head, found) for head, found in by_head.items() if len(found)]
    tables = [table for section in transferred for table in _tables(section)]
    return [Heading(task), Gallery(matrices, wide=True), *folded_tables(tables)]


def _tables(section: Section) -> list[Table]:
    where = f"trained on {section.trained_on}, tested on {section.source}"
    made = (readouts.table(section), readouts.encoders(section))
    return [replace(table, caption=f"{table.caption} Probes {where}.") for table in made]


def cells(sections: Iterable[Section], head: str) -> pd.DataFrame:
    """A row for each encoder, drawn readout, data set of training and data set of testing.

    Only the classes that all probes tested on one data set know count, so that a column can be
    read from top to bottom.
    """
    runs = [
        run
        for section in sections
        for group in section.groups
        for readout, run in group.runs.items()
        if run.info.head == head and readout in _DRAWN and run.info.kind == "probe"
        if run.info.test is not None
    ]
    tested = {_stores(run)[1] for run in runs if run.info.trained_on}
    kept = [run for run in runs if _stores(run)[1] in tested or run.info.trained_on]
    names = _names(kept)
    rows = [_cell(run, _shared(run, kept), names) for run in kept]
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    table["readout"] = pd.Categorical(table["readout"], [r for r in READOUTS if r in _DRAWN])
    order = ["readout", "trained_on", "random", "encoder", "tested_on"]
    return table.sort_values(order, ignore_index=True)


def _stores(run: SavedRun) -> tuple[str, str]:
    """Hashes of the stores that a run was trained and tested on: a data set may have several."""
    hashes = run.info.hashes
    return hashes.trained_on or hashes.store, hashes.store


def _names(runs: Sequence[SavedRun]) -> dict[str, str]:
    """Name each store by its data set, and where that has several also by its own name."""
    sources: dict[str, str] = {}
    called: dict[str, str] = {}
    for run in runs:
        info, stores = run.info, _stores(run)
        sources |= dict(zip(stores, (info.trained_on or info.source, info.source), strict=True))
        if info.transfer is not None and info.transfer.stores is not None:
            called |= dict(zip(stores, info.transfer.stores, strict=True))
    several = [*sources.values()]
    return {
        store: source if several.count(source) == 1 else f"{source}, {called.get(store, store[:8])}"
        for store, source in sources.items()
    }


def _shared(run: SavedRun, runs: Sequence[SavedRun]) -> list[str]:
    peers = [set(other.info.classes) for other in runs if _stores(other)[1] == _stores(run)[1]]
    return [name for name in run.info.classes if all(name in peer for peer in peers)]


def _cell(run: SavedRun, classes: list[str], names: dict[str, str]) -> dict[str, object]:
    info, found = run.info, run.predictions("test")
    columns = [info.classes.index(name) for name in classes]
    value, *drawn = macro_resamples(
        found.targets[:, columns],
        found.scores[..., columns],
        outcome=info.outcome,
        groups=found.patients,
    )
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return {
        "readout": info.readout,
        "encoder": info.encoder.name,
        "random": info.encoder.random,
        "corpus_has_tested": info.source in (info.encoder.sources or {}) or bool(info.seen),
        "trained_on": names[_stores(run)[0]],
        "tested_on": names[_stores(run)[1]],
        "records": len(found.ids),
        "classes": len(classes),
        "score": float(value),
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
    with canvas_of(*size) as canvas:
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
    svg = to_svg(canvas, name, f"Scores by data set of training and testing, {task}")
    return Figure(name, NOTES["transfer"].format(task=task, head=head), svg, numbers)


def _short(text: str) -> str:
    return f"on {text}" if len(text) <= 34 else f"on {text[:33]}…"


def _panel(
    axes: Axes, numbers: pd.DataFrame, lines: list[tuple[str, str]], columns: list[str]
) -> None:
    image = np.full((len(lines), len(columns)), np.nan)
    for cell in numbers.to_dict("records"):
        row = lines.index((cell["trained_on"], cell["encoder"]))
        column = columns.index(cell["tested_on"])
        image[row, column] = cell["score"]
        colour = "white" if cell["score"] < 0.75 else INK
        weight = "bold" if cell["corpus_has_tested"] else "normal"
        centre = {"ha": "center", "va": "center", "color": colour}
        axes.text(column, row, f"{cell['score']:.3f}\n", centre, fontsize=8.5, weight=weight)
        interval = f"\n{cell['low']:.2f}–{cell['high']:.2f}"
        axes.text(column, row, interval, centre, fontsize=6.5)
    axes.imshow(image, cmap="cividis", vmin=0.5, vmax=1, aspect="auto")
    axes.spines[:].set_visible(False)
