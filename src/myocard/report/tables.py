"""The report's tables: as people read them, as numbers, and for a manuscript."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from myocard.report.comparisons import Group, Row, Section
from myocard.report.drawing import write_numbers, write_text
from myocard.report.pairs import Difference
from myocard.report.runs import Estimate, Score

MISSING = "–"

_TEX = {character: f"\\{character}" for character in "&%$#_{}"}
_TEX |= {
    "<": "$<$",
    "…": r"\ldots{}",
    "–": "--",
    "−": "$-$",
    "≥": r"$\geq$",
    "·": r"$\cdot$",
    "\\": r"\textbackslash{}",
}


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Stem of its files.
        caption: What it shows.
        shown: Cells as text.
        numbers: The same with one number a column; ``run`` is the place of the run that a line
            comes from, and ``against_run`` of the one that it is held against.
        grouped: Whether the first column of ``shown`` names groups of rows.
    """

    name: str
    caption: str
    shown: pd.DataFrame
    numbers: pd.DataFrame
    grouped: bool = False

    @property
    def places(self) -> list[str | None]:
        """For each line of ``shown`` its run's place, where it has one."""
        if "run" in self.numbers and len(self.numbers) == len(self.shown):
            return self.numbers["run"].tolist()
        return [None] * len(self.shown)

    def write(self, folder: Path) -> None:
        write_numbers(self.numbers, folder / f"{self.name}.csv")
        write_text(latex(self.shown), folder / f"{self.name}.tex")


def readouts(section: Section) -> Table:
    """Every readout of every encoder, and what it gains on the last layer."""
    rows = [(group, row) for group in section.groups for row in group.rows()]
    return Table(
        f"{section.name}-readouts",
        f"Readouts, scored on {section.split}.",
        pd.DataFrame([_readout_shown(group, row) for group, row in rows]),
        pd.DataFrame([_readout_numbers(group, row) for group, row in rows]),
        grouped=True,
    )


def encoders(section: Section) -> Table:
    """Every encoder against random weights and baselines, and IPASTMEM against plain."""
    shown, numbers = [], []
    for match in section.matches():
        line = {"Encoder": match.encoder, "Against": match.against, "Readout": match.readout}
        found = match.found
        shown.append(line | {"Difference [95 %]": gain(found), "p": p_value(found)})
        runs = {"run": match.run.place, "against_run": match.against_run.place}
        numbers.append({name.lower(): cell for name, cell in line.items()} | vars(found) | runs)
    return Table(
        f"{section.name}-encoders",
        "One encoder minus another under the same readout and head, and its readout that is best "
        "on validation minus a model without an encoder.",
        pd.DataFrame(shown),
        pd.DataFrame(numbers),
        grouped=True,
    )


def single_layers(section: Section) -> Table:
    """Every probed layer, with what it scored on validation."""
    rows = [(g, layer, run) for g in section.groups for layer, run in g.layers.items()]
    shown, numbers = [], []
    for group, layer, run in rows:
        validation, scored = run.states.validation.auroc.macro, _auroc(group, Row("", run, None))
        shown.append(
            {
                "Encoder": group.label,
                "Layer": str(layer),
                "Validation AUROC [95 %]": estimate(validation),
                f"{section.split.capitalize()} AUROC [95 %]": estimate(scored),
            }
        )
        numbers.append(
            {"encoder": group.label, "layer": layer, "run": run.place}
            | _prefixed("validation_auroc", validation)
            | _prefixed("auroc", scored)
        )
    return Table(
        f"{section.name}-single-layers",
        "Every layer read alone.",
        pd.DataFrame(shown).T.drop_duplicates().T,
        pd.DataFrame(numbers),
        grouped=True,
    )


def by_class(section: Section, group: Group) -> Table:
    """AUROC of every class under every readout of one group."""
    shown, numbers = [], []
    for name in group.first.states.classes:
        line: dict[str, Any] = {"Class": name, "Positives": MISSING}
        for row in group.rows():
            metrics = row.run.states.metrics(section.split)
            found = metrics.auroc.by_class.get(name) if metrics else None
            line[row.label] = estimate(found)
            if found:
                line["Positives"] = str(found.positives)
                numbers.append(
                    {"class": name, "positives": found.positives, "readout": row.label}
                    | _prefixed("auroc", found)
                    | {"run": row.run.place}
                )
        shown.append(line)
    place = section.groups.index(group) + 1
    caption = f"{group.label}: AUROC [95 %] by class on {section.split}."
    stem = f"{section.name}-classes-{place}"
    return Table(stem, caption, pd.DataFrame(shown), pd.DataFrame(numbers))


def estimate(found: Estimate | None) -> str:
    """A score with its interval, or the sign of a missing one."""
    if found is None or found.value is None:
        return MISSING
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def gain(found: Difference | None) -> str:
    """A difference with its sign and interval."""
    return MISSING if found is None else signed(found.difference, found.low, found.high)


def signed(value: float, low: float, high: float) -> str:
    """A number that may be negative, and its interval; the sign of a missing one for NaN."""
    if value != value:
        return MISSING
    cells = (f"{each:+.3f}".replace("-", "−") for each in (value, low, high))
    return "{} [{}, {}]".format(*cells)


def p_value(found: Difference | None) -> str:
    return MISSING if found is None else f"{found.p:.3f}"


def gathered(lines: Iterable[dict[str, Any]], *keys: str) -> list[list[dict[str, Any]]]:
    """Lines that agree in ``keys``, together, in the order in which they first come."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(tuple(line[key] for key in keys), []).append(line)
    return list(found.values())


def latex(shown: pd.DataFrame) -> str:
    r"""A ``tabular`` in the style of booktabs; ``\usepackage{booktabs}`` is all it needs."""
    columns = "l" * min(2, shown.shape[1]) + "r" * max(0, shown.shape[1] - 2)
    body = [" & ".join(map(_escape, cells)) + r" \\" for cells in shown.itertuples(index=False)]
    head = " & ".join(map(_escape, shown.columns)) + r" \\"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _readout_shown(group: Group, row: Row) -> dict[str, str]:
    auroc = _auroc(group, row)
    is_last = row.run.states.readout == "last"
    return {
        "Encoder": group.label,
        "Readout": row.label,
        "Macro AUROC [95 %]": estimate(auroc),
        "Seed SD": _number(auroc.seed_sd if auroc else None),
        "Avg. precision": _macro(group, row, lambda m: m.average_precision),
        "F1": _macro(group, row, lambda m: m.f1),
        "Gain on last layer [95 %]": "reference" if is_last else gain(row.against_last),
        "p": "" if is_last else p_value(row.against_last),
        "On validation": _number(row.run.states.validation.auroc.macro.value),
    }


def _readout_numbers(group: Group, row: Row) -> dict[str, Any]:
    states, metrics = row.run.states, row.run.states.metrics(group.split)
    line: dict[str, Any] = {
        "task": states.task,
        "encoder": group.label,
        "readout": row.label,
        "head": states.head,
        "run": row.run.place,
        "split": group.split,
        "records": metrics.records if metrics else None,
    }
    for name in ("auroc", "average_precision", "f1"):
        line |= _prefixed(name, getattr(metrics, name).macro if metrics else None)
    against = vars(row.against_last) if row.against_last else {}
    for name in ("difference", "low", "high", "p"):
        line[f"against_last_{name}"] = against.get(name)
    return line | {"validation_auroc": states.validation.auroc.macro.value}


def _auroc(group: Group, row: Row) -> Estimate | None:
    metrics = row.run.states.metrics(group.split)
    return metrics.auroc.macro if metrics else None


def _macro(group: Group, row: Row, pick: Callable[[Any], Score]) -> str:
    metrics = row.run.states.metrics(group.split)
    return _number(pick(metrics).macro.value if metrics else None)


def _prefixed(name: str, found: Estimate | None) -> dict[str, float | None]:
    cells = found.model_dump() if found else {}
    parts = ("value", "low", "high", "seed_sd")
    return {name if part == "value" else f"{name}_{part}": cells.get(part) for part in parts}


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"


def _escape(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
