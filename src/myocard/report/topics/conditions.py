"""The cost of fewer labels and of fewer leads."""

from collections.abc import Iterator, Sequence
from itertools import groupby

import pandas as pd

from myocard.leads import LEAD_SETS
from myocard.plot.canvas import BLUE, GREEN, INK, PURPLE, SKY, VERMILION, canvas_of, to_svg
from myocard.report.blocks import Block, galleries, headed, table_blocks
from myocard.report.drawing import Figure
from myocard.report.table import Table, estimate, gain, table_of
from myocard.report.words import NOTES
from myocard.results.compare.comparisons import Group, Section, leads_of
from myocard.results.compare.names import READOUTS, label_of
from myocard.results.compare.pairs import Candidate, paired
from myocard.results.saved import SavedRun

_COLOURS = {"last": INK, "ppa": GREEN, "scalar-mix": PURPLE}
_COLOURS |= {"pma": VERMILION, "concat": SKY}


def blocks(section: Section) -> list[Block]:
    """Figures of fewer labels, and the table of fewer leads."""
    labels = headed("With fewer labels", galleries(label_efficiency(section)))
    return labels + headed("With fewer leads", table_blocks(lead_sets(section)))


def label_efficiency(section: Section) -> list[Figure]:
    """Leading metric by the share of training labels: a figure for each encoder and head."""
    tables = [(group, pd.DataFrame(_efficiency(section, group))) for group in section.groups]
    return [_draw(section, group, table) for group, table in tables if len(table)]


def lead_sets(section: Section) -> Table:
    """Each readout under each lead set, against the same readout with all leads."""
    shown, numbers = [], []
    for group in section.groups:
        for named, few, _, lost in paired(_fewer_leads(section, group), group.split):
            macro = group.score(few)
            if macro is None:
                continue
            scored = {f"{section.metric} [95 %]": estimate(macro), "Against all": gain(lost)}
            shown.append({key.capitalize(): cell for key, cell in named.items()} | scored)
            ends = {"score": macro.value, "score_low": macro.low, "score_high": macro.high}
            numbers.append(named | ends | lost._asdict() | {"run": few.place})
    caption = "Readouts that see fewer leads, and what that costs on the same records."
    return table_of(f"{section.name}-leads", caption, shown, numbers)


def _called(leads: Sequence[str]) -> str:
    return next((name for name, s in LEAD_SETS.items() if set(s) == set(leads)), ", ".join(leads))


def _same_line(run: SavedRun, group: Group) -> bool:
    mine, info = run.info, group.first.info
    sides = ((s.kind, s.head, s.encoder.name, s.encoder.random) for s in (mine, info))
    return len(set(sides)) == 1


def _fewer_leads(section: Section, group: Group) -> Iterator[Candidate]:
    """Runs with fewer leads, widest first, and the same with all leads."""
    whole_labels = [r for r in section.reduced if r.info.fraction == 1 and _same_line(r, group)]
    for readout, whole in group.runs.items():
        few = [run for run in whole_labels if run.info.readout == readout]
        for run in sorted(few, key=leads_of, reverse=True):
            named = {"encoder": group.label, "readout": label_of(run)}
            yield named | {"leads": _called(run.info.leads)}, run, whole


def _efficiency(section: Section, group: Group) -> Iterator[dict[str, object]]:
    """A line for each readout that was trained on several shares of the labels."""
    runs = [
        run
        for run in section.reduced
        if run.info.fraction < 1
        and _same_line(run, group)
        and leads_of(run) == leads_of(group.first)
        and run.info.layer is None
    ]
    keyed = sorted(runs, key=lambda run: run.info.readout)
    for readout, members in groupby(keyed, key=lambda run: run.info.readout):
        whole = [group.runs[readout]] if readout in group.runs else []
        for run in sorted([*members, *whole], key=lambda run: run.info.fraction):
            macro = group.score(run)
            if macro is not None:
                yield {
                    "encoder": group.label,
                    "readout": readout,
                    "fraction": run.info.fraction,
                    "score": macro.value,
                    "low": macro.low,
                    "high": macro.high,
                    "seed_sd": macro.seed_sd,
                    "run": run.place,
                }


def _draw(section: Section, group: Group, numbers: pd.DataFrame) -> Figure:
    name = section.stem("labels", group)
    with canvas_of(5.4, 3.3) as canvas:
        axes = canvas.subplots()
        for readout, line in numbers.groupby("readout", sort=False):
            colour = _COLOURS.get(str(readout), BLUE)
            axes.fill_between(
                line["fraction"], line["low"], line["high"], color=colour, alpha=0.1, lw=0
            )
            label = READOUTS.get(str(readout), str(readout)).split(":")[0]
            axes.plot(line["fraction"], line["score"], "o-", ms=3.5, color=colour, label=label)
        shares = sorted(numbers["fraction"].unique())
        axes.set_xscale("log")
        axes.set_xticks(shares, [f"{share:.0%}" for share in shares])
        axes.minorticks_off()
        axes.set(xlabel="Share of the training records", ylabel=section.metric, title=group.label)
        axes.grid(axis="y")
        canvas.legend(loc="outside lower center", ncols=3)
    svg = to_svg(canvas, name, f"{section.metric} by share of labels, {group.label}")
    caption = NOTES["label_efficiency"].format(group=group.label, split=group.split)
    return Figure(name, caption, svg, numbers)
