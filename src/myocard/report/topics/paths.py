"""Solved mixtures: what each step of freedom bought, which layers it took, and the certificates."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from myocard.plot.canvas import BLUE, GREY, INK, VERMILION, canvas_of, to_svg
from myocard.report.blocks import Block, Gallery, Heading, folded_tables
from myocard.report.drawing import Figure
from myocard.report.table import Table, number, table_of
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section
from myocard.results.compare.names import label_of, named_layer
from myocard.results.mixture import Mixture, Optimum, Step
from myocard.results.saved import SavedRun


def blocks(section: Section) -> list[Block]:
    """Paths, layers by class and certificates, where a section has solved mixtures."""
    figures = []
    for group in section.groups:
        solved = {label_of(run): run for run in group.runs.values() if run.info.mixtures}
        if solved:
            figures.append(_paths(section, group, solved))
        figures += [
            _by_class(section, group, run)
            for run in solved.values()
            if len(run.info.mixtures[0].optima) > 1
        ]
    if not figures:
        return []
    certified = folded_tables([certificates(section)])
    return [Heading("What does freedom buy?"), Gallery(figures), *certified]


def certificates(section: Section) -> Table:
    """The optimum of every solved mixture, and how far from one it may be."""
    shown, numbers = [], []
    for group, run, mixture, optimum in _optima(section):
        step = mixture.path[mixture.chosen]
        layer = int(np.argmax(optimum.weights))
        named_most = named_layer(run.info.encoder, layer + 1)
        spread = f"{optimum.low[layer]:.2f}–{optimum.high[layer]:.2f}"
        named = {"Encoder": group.label, "Readout": label_of(run), "Classes": _named(run, optimum)}
        shown.append(
            named
            | {
                "Pull": _strength(step),
                "Most on layer": f"{named_most}: {optimum.weights[layer]:.2f} [{spread}]",
                "Gap [nats]": f"{optimum.gap:.0e}",
                "Optima": str(optimum.optima),
                "Worst above best [nats]": number(optimum.worse),
            }
        )
        numbers.append(
            {name.lower(): cell for name, cell in named.items()}
            | {"pull": step.pull, "penalty": mixture.penalty, "run": run.place}
            | {"gap": optimum.gap, "optima": optimum.optima, "worse": optimum.worse}
            | {f"layer_{k + 1}": weight for k, weight in enumerate(optimum.weights)}
            | {f"price_{k + 1}": price for k, price in enumerate(optimum.prices)}
        )
    return table_of(f"{section.name}-certificates", NOTES["certificates"], shown, numbers)


def _optima(section: Section) -> Iterator[tuple[Group, SavedRun, Mixture, Optimum]]:
    for group in section.groups:
        for run in group.runs.values():
            for mixture in run.info.mixtures[:1]:
                for optimum in mixture.optima:
                    yield group, run, mixture, optimum


def _named(run: SavedRun, optimum: Optimum) -> str:
    return "all" if optimum.classes == run.info.classes else ", ".join(optimum.classes)


def _strength(step: Step) -> str:
    if step.pull is None:
        return "all"
    return f"{step.pull:g}" if step.pull else "none"


def _paths(section: Section, group: Group, solved: dict[str, SavedRun]) -> Figure:
    name = section.stem("path", group)
    numbers = pd.DataFrame(
        [
            {"readout": label, "step": k, "pull": _strength(step), "penalty": mixture.penalty}
            | {"cross_validation": step.score, "lost": step.lost, "error": step.error}
            | {"chosen": k == mixture.chosen}
            | dict(step.scores)
            | {f"layer_{layer + 1}": weight for layer, weight in enumerate(step.weights)}
            for label, run in solved.items()
            for mixture in run.info.mixtures[:1]
            for k, step in enumerate(mixture.path)
        ]
    )
    with canvas_of(5.4, 2.1 * len(solved) + 0.4) as canvas:
        panels = canvas.subplots(len(solved), 1, squeeze=False)[:, 0]
        for axes, label in zip(panels, solved, strict=True):
            _draw(axes, numbers[numbers["readout"] == label])
            axes.set_title(label)
            axes.set_ylabel(section.metric)
        panels[-1].set_xlabel("Pull that is left")
        panels[0].legend(loc="lower right", ncols=2, fontsize=8)
    svg = to_svg(canvas, name, f"Scores on the way from equal to free shares, {group.label}")
    return Figure(name, NOTES["path"].format(group=group.label), svg, numbers)


def _draw(axes: Axes, path: pd.DataFrame) -> None:
    steps = path["step"]
    low, high = (path["cross_validation"] + sign * path["error"] for sign in (-1, 1))
    axes.fill_between(steps, low, high, color=GREY, alpha=0.25, lw=0)
    axes.plot(
        steps, path["cross_validation"], color=GREY, marker="o", ms=3, label="cross-validated"
    )
    for split, colour in (("validation", BLUE), ("test", VERMILION)):
        if split in path:
            axes.plot(steps, path[split], color=colour, marker="o", ms=3, label=split)
    axes.axvline(steps[path["chosen"]].iloc[0], color=INK, lw=0.8, ls=(0, (1, 2)), zorder=0)
    axes.set_xticks(steps, path["pull"])
    axes.grid(axis="y")


def _by_class(section: Section, group: Group, run: SavedRun) -> Figure:
    name, optima = section.stem(f"{run.info.readout}-classes", group), run.info.mixtures[0].optima
    numbers = pd.DataFrame(
        [
            {"class": optimum.classes[0], "layer": layer + 1}
            | {"weight": optimum.weights[layer], "low": optimum.low[layer]}
            | {"high": optimum.high[layer]}
            for optimum in optima
            for layer in range(len(optimum.weights))
        ]
    )
    table = numbers.pivot(index="class", columns="layer", values="weight")
    centre = (table * table.columns).sum(axis=1)
    table = table.loc[centre.sort_values().index]
    with canvas_of(5.4, 0.27 * len(table) + 1.0) as canvas:
        axes = canvas.subplots()
        image = axes.pcolormesh(
            np.arange(table.shape[1] + 1) + 0.5, np.arange(len(table) + 1) - 0.5,
            table.to_numpy(), cmap="cividis", vmin=0, edgecolor="white", lw=0.8,
        )  # fmt: skip
        axes.invert_yaxis()
        axes.set_xticks(table.columns)
        axes.set_yticks(range(len(table)), table.index)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("Layer")
        axes.set_title(group.label)
        bar = canvas.colorbar(image, ax=axes, pad=0.02, fraction=0.05)
        bar.set_label("Weight")
        bar.outline.set_visible(False)
    svg = to_svg(canvas, name, f"Weight of every layer by class, {group.label}")
    folds = run.info.mixtures[0].folds
    return Figure(name, NOTES["by_class"].format(group=group.label, folds=folds), svg, numbers)
