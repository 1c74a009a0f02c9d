"""One page, its tables and its figures, from folders of results."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from os.path import relpath
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from myocard.errors import InputError
from myocard.files.atomic import drop_unfinished, writing
from myocard.report import significance, tables
from myocard.report.anatomies import anatomies
from myocard.report.calibration import calibration
from myocard.report.comparisons import Group, Section, sections
from myocard.report.conditions import label_efficiency, lead_sets
from myocard.report.curves import layer_curves, loss_curve
from myocard.report.drawing import Figure, write_text
from myocard.report.gains import gains
from myocard.report.gates import departures, gates, records
from myocard.report.heatmaps import layer_weights
from myocard.report.operating import operating_points
from myocard.report.pairs import Difference
from myocard.report.runs import Run, find_files, find_runs
from myocard.report.spread import spreads
from myocard.report.subgroups import subgroups
from myocard.report.tables import Table
from myocard.report.theory import ALIGNMENT, MEASURES
from myocard.report.traces import reconstruction
from myocard.report.transfers import Transfers, transfers


@dataclass(frozen=True)
class Chapter:
    """A section with everything drawn and tabulated."""

    section: Section
    findings: list[str]
    gains: list[Figure]
    curves: list[Figure]
    efficiency: list[Figure]
    weights: list[Figure]
    records: list[Figure]
    reliability: list[Figure]
    readouts: Table
    gates: Table
    departures: Table
    encoders: Table
    leads: Table
    single_layers: Table
    by_class: list[Table]
    delong: list[Table]
    calibration: Table
    operating: list[Table]
    subgroups: list[Table]

    @property
    def tables(self) -> list[Table]:
        found = [self.readouts, self.gates, self.departures, self.encoders, self.leads]
        found += [self.single_layers, *self.by_class, *self.delong, self.calibration]
        return _filled([*found, *self.operating, *self.subgroups])

    @property
    def figures(self) -> list[Figure]:
        drawn = [*self.gains, *self.curves, *self.efficiency, *self.weights, *self.records]
        return [*drawn, *self.reliability]


def write_report(paths: Sequence[Path], out: Path) -> None:
    """Write ``report.html``, ``tables/`` and ``figures/`` into the folder ``out``.

    Args:
        paths: Folders that hold, at any depth, runs (``run.json`` and ``predictions.parquet``),
            training logs (``log.jsonl``), reconstructions (``reconstruction.npz``), checkpoints
            (``config.json``) and measures of layers (``layers.json``).
        out: Files of the same name in it are overwritten.

    Raises:
        InputError: When nothing is found, or a file is not what its name says.
    """
    found = sections(find_runs(paths))
    chapters = [chapter(section) for section in found if section.trained_on is None]
    across = significance.across_tasks([each.section for each in chapters])
    crossed = transfers(found)
    losses = _from_files(paths, "log.jsonl", "loss", loss_curve)
    traces = _from_files(paths, "reconstruction.npz", "reconstruction", reconstruction)
    layers = anatomies(paths)
    if not (found or losses or traces or layers):
        names = ", ".join(map(str, paths))
        raise InputError(
            f"no run.json, log.jsonl, reconstruction.npz or layers.json in or below {names}"
        )
    with writing(out):
        for folder in (out / "figures", out / "tables", out):
            folder.mkdir(parents=True, exist_ok=True)
            drop_unfinished(folder)
    parts: list[Chapter | Transfers] = [*chapters, *crossed]
    for figure in [*losses, *traces, *layers, *(f for each in parts for f in each.figures)]:
        figure.write(out / "figures")
    for table in [across, *(table for each in parts for table in each.tables)]:
        table.write(out / "tables")
    page = _page(
        out,
        chapters=chapters,
        across=across,
        crossed=crossed,
        losses=losses,
        traces=traces,
        spreads=spreads(paths),
        layers=layers,
    )
    write_text(page, out / "report.html")


def chapter(section: Section) -> Chapter:
    """Draw and tabulate one section."""
    reliability, calibrations = calibration(section)
    return Chapter(
        section,
        [finding(group) for group in section.groups if "last" in group.runs],
        gains(section),
        layer_curves(section),
        label_efficiency(section),
        layer_weights(section),
        records(section),
        reliability,
        tables.readouts(section),
        gates(section),
        departures(section),
        tables.encoders(section),
        lead_sets(section),
        tables.single_layers(section),
        [tables.by_class(section, group) for group in section.groups],
        _filled(significance.by_class(section, group) for group in section.groups),
        calibrations,
        _filled(operating_points(section, group) for group in section.groups),
        _filled(subgroups(section, group) for group in section.groups),
    )


def _filled(found: Iterable[Table]) -> list[Table]:
    return [table for table in found if len(table.shown)]


def finding(group: Group) -> str:
    """Which readouts of one encoder beat its last layer, in a sentence."""
    metrics = group.runs["last"].states.metrics(group.split)
    last = tables.estimate(metrics.auroc.macro if metrics else None)
    compared = [(row.label, verdict(row.against_last)) for row in group.rows() if row.against_last]
    said = {
        word: ", ".join(label for label, found in compared if found == word)
        for word in ("higher", "lower", "not told apart from it")
    }
    parts = [f"{word}: {labels}" for word, labels in said.items() if labels]
    return f"{group.label}: last layer {last}. {_sentence(parts)}"


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts) or "nothing to compare it with"
    return f"{text[0].upper()}{text[1:]}."


def verdict(found: Difference) -> str:
    """Whether the interval of a difference leaves its sign open."""
    if found.low > 0:
        return "higher"
    return "lower" if found.high < 0 else "not told apart from it"


def _from_files(
    paths: Sequence[Path], name: str, stem: str, draw: Callable[[Path, str, str], Figure]
) -> list[Figure]:
    files = find_files(paths, name)
    return [draw(file, place, f"{stem}-{i}") for i, (file, place) in enumerate(files, start=1)]


def _page(out: Path, **content: Any) -> str:
    environment = Environment(
        loader=PackageLoader("myocard.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = lambda figure: Markup(figure.svg)
    environment.filters["slug"] = lambda text: re.sub(r"[^a-z0-9]+", "-", text.lower())
    environment.filters["provenance"] = _provenance
    environment.filters["file"] = lambda run: quote(relpath(run.folder / "run.json", out))
    style = resources.files("myocard.report").joinpath("report.css").read_text()
    return environment.get_template("report.html.jinja").render(
        **content,
        measures=MEASURES,
        alignment=ALIGNMENT,
        style=Markup(style),
    )


def _provenance(run: Run) -> str:
    kept = {"command", "seconds", "seeds", "chosen", "splits", "versions", "hashes", "recipe"}
    return json.dumps(run.states.model_dump(include=kept), indent=1, sort_keys=True, default=str)
