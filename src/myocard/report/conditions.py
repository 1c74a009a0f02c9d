"""What fewer labels and fewer leads cost."""

from collections.abc import Iterator
from itertools import groupby

import pandas as pd
from matplotlib.figure import Figure as Canvas

from myocard.leads import LEAD_SETS
from myocard.report.comparisons import Group, Section, leads_of
from myocard.report.drawing import BLUE, GREEN, INK, PURPLE, SKY, VERMILION, Figure, style, to_svg
from myocard.report.names import READOUTS
from myocard.report.pairs import compare
from myocard.report.runs import Run
from myocard.report.tables import Table, estimate, gain

_COLOURS = {
    "last": INK,
    "ppa": GREEN,
    "scalar-mix": PURPLE,
    "pma": VERMILION,
    "concat": SKY,
}


def label_efficiency(section: Section) -> list[Figure]:
    """Macro AUROC by the share of training labels: a figure for each encoder and head."""
    figures = []
    for group in section.groups:
        numbers = pd.DataFrame(_efficiency(section, group))
        if not numbers.empty:
            figures.append(_draw(section, group, numbers))
    return figures


def lead_sets(section: Section) -> Table:
    """Each readout under each lead set, against the same readout with all leads."""
    shown, numbers = [], []
    for group in section.groups:
        for whole, few in _fewer_leads(section, group):
            readout, leads = whole.states.readout, few.states.leads or []
            metrics, lost = few.states.metrics(group.split), compare(few, whole, group.split)
            if metrics is None or lost is None:
                continue
            named = {"encoder": group.label, "readout": READOUTS.get(readout, readout)}
            named["leads"] = _called(leads)
            shown.append(
                {key.capitalize(): value for key, value in named.items()}
                | {"Macro AUROC [95 %]": estimate(metrics.auroc.macro), "Against all": gain(lost)}
            )
            macro = metrics.auroc.macro
            scored = {"auroc": macro.value, "auroc_low": macro.low, "auroc_high": macro.high}
            numbers.append(named | scored | vars(lost) | {"run": few.place})
    return Table(
        f"{section.name}-leads",
        "Readouts that see fewer leads, and what that costs on the same records.",
        pd.DataFrame(shown),
        pd.DataFrame(numbers),
        grouped=True,
    )


def _called(leads: list[str]) -> str:
    return next((name for name, s in LEAD_SETS.items() if set(s) == set(leads)), ", ".join(leads))


def _same_line(run: Run, group: Group) -> bool:
    mine, states = run.states, group.first.states
    sides = ((s.kind, s.head, s.encoder.name, s.encoder.random) for s in (mine, states))
    return len(set(sides)) == 1


def _fewer_leads(section: Section, group: Group) -> Iterator[tuple[Run, Run]]:
    """Runs of a group that have twins with fewer leads, and those twins, widest first."""
    twins = [r for r in section.reduced if r.states.fraction == 1 and _same_line(r, group)]
    for readout, whole in group.runs.items():
        few = [run for run in twins if run.states.readout == readout]
        yield from ((whole, run) for run in sorted(few, key=leads_of, reverse=True))


def _efficiency(section: Section, group: Group) -> Iterator[dict[str, object]]:
    """A line for each readout that was trained on several shares of the labels."""
    runs = [
        run
        for run in section.reduced
        if run.states.fraction < 1
        and _same_line(run, group)
        and leads_of(run) == leads_of(group.first)
        and run.states.layer is None
    ]
    keyed = sorted(runs, key=lambda run: run.states.readout)
    for readout, members in groupby(keyed, key=lambda run: run.states.readout):
        whole = [group.runs[readout]] if readout in group.runs else []
        for run in sorted([*members, *whole], key=lambda run: run.states.fraction):
            metrics = run.states.metrics(group.split)
            if metrics is not None:
                macro = metrics.auroc.macro
                yield {
                    "encoder": group.label,
                    "readout": readout,
                    "fraction": run.states.fraction,
                    "auroc": macro.value,
                    "low": macro.low,
                    "high": macro.high,
                    "seed_sd": macro.seed_sd,
                    "run": run.place,
                }


def _draw(section: Section, group: Group, numbers: pd.DataFrame) -> Figure:
    name = f"{section.name}-labels-{section.groups.index(group) + 1}"
    with style():
        canvas = Canvas(figsize=(5.4, 3.3), layout="constrained")
        axes = canvas.subplots()
        for readout, line in numbers.groupby("readout", sort=False):
            colour = _COLOURS.get(str(readout), BLUE)
            axes.fill_between(
                line["fraction"], line["low"], line["high"], color=colour, alpha=0.1, lw=0
            )
            label = READOUTS.get(str(readout), str(readout)).split(":")[0]
            axes.plot(line["fraction"], line["auroc"], "o-", ms=3.5, color=colour, label=label)
        shares = sorted(numbers["fraction"].unique())
        axes.set_xscale("log")
        axes.set_xticks(shares, [f"{share:.0%}" for share in shares])
        axes.minorticks_off()
        axes.set(xlabel="Share of the training records", ylabel="Macro AUROC", title=group.label)
        axes.grid(axis="y")
        canvas.legend(loc="outside lower center", ncols=3)
        svg = to_svg(canvas, name, f"Macro AUROC by share of labels, {group.label}")
    caption = (
        f"{group.label}, on {group.split}: scores by the share of training records, drawn patient "
        "by patient for each seed and trained for as many steps. The penalty is chosen on all "
        f"validation records. Bands: 95 % intervals over {group.split} patients."
    )
    return Figure(name, caption, svg, numbers)
