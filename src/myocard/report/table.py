"""Tables: as people read them, as numbers, and for a manuscript."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from myocard.metrics.summary import MISSING as MISSING
from myocard.metrics.summary import Estimate
from myocard.report.drawing import write_numbers, write_text
from myocard.results.compare.pairs import Difference, Pair

_TEX = {character: f"\\{character}" for character in "&%$#_{}"}
_TEX |= {"<": "$<$", "…": r"\ldots{}", "–": "--", "−": "$-$", "≥": r"$\geq$", "·": r"$\cdot$"}
_TEX["\\"] = r"\textbackslash{}"


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        name: Stem of its files.
        caption: Its content.
        shown: Cells as text.
        numbers: The same with one number a column; ``run`` is the place of the run that a line
            comes from, and ``against_run`` of the one that it is held against.
        grouped: True where the first column of ``shown`` names groups of rows.
    """

    name: str
    caption: str
    shown: pd.DataFrame
    numbers: pd.DataFrame
    grouped: bool = True

    @property
    def places(self) -> list[str | None]:
        """For each line of ``shown`` its run's place, where it has one."""
        if "run" in self.numbers and len(self.numbers) == len(self.shown):
            return self.numbers["run"].tolist()
        return [None] * len(self.shown)

    def write(self, folder: Path) -> None:
        write_numbers(self.numbers, folder / f"{self.name}.csv")
        write_text(latex(self.shown), folder / f"{self.name}.tex")


def table_of(
    name: str, caption: str, shown: Sequence[Mapping[str, str]], lines: Sequence[Mapping]
) -> Table:
    """A table from its lines, as text and as numbers."""
    return Table(name, caption, pd.DataFrame(shown), pd.DataFrame(lines))


def differences(name: str, caption: str, pairs: Iterable[Pair]) -> Table:
    """A table with a line for each pair of runs."""
    shown, numbers = [], []
    for pair in pairs:
        found = {"Difference [95 %]": gain(pair.found), "p": p_value(pair.found)}
        shown.append(pair.named | found)
        named = {column.lower(): cell for column, cell in pair.named.items()}
        numbers.append(named | pair.found._asdict() | pair.places)
    return table_of(name, caption, shown, numbers)


def number(value: float | None) -> str:
    """Three digits, or the sign of a missing number for None and NaN."""
    return MISSING if value is None or value != value else f"{value:.3f}"


def estimate(found: Estimate | None) -> str:
    """A score with its interval, or the sign of a missing one for None and NaN."""
    return MISSING if found is None else found.text


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
    return number(found.p if found else None)


def p_text(value: float | None) -> str:
    """A p value, or its bound where three digits would say 0."""
    return "< 0.001" if value is not None and value < 0.0005 else number(value)


def gathered(numbers: pd.DataFrame, *keys: str) -> list[pd.DataFrame]:
    """Lines that agree in ``keys``, together, in the order in which they first come."""
    if numbers.empty:
        return []
    return [lines for _, lines in numbers.groupby([*keys], sort=False)]


def latex(shown: pd.DataFrame) -> str:
    r"""A ``tabular`` in the style of booktabs; ``\usepackage{booktabs}`` is all it needs."""
    columns = "l" * min(2, shown.shape[1]) + "r" * max(0, shown.shape[1] - 2)
    escaped = shown.rename(columns=_escape).map(_escape)
    return escaped.to_latex(index=False, escape=False, column_format=columns)


def prefixed(name: str, found: Estimate | None) -> dict[str, float | None]:
    """The numbers of an estimate as columns that begin with ``name``."""
    cells = found.model_dump() if found else {}
    parts = ("value", "low", "high", "seed_sd")
    return {name if part == "value" else f"{name}_{part}": cells.get(part) for part in parts}


def _escape(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)
