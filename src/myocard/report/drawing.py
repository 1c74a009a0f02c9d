"""A figure of the report: drawn, and as the numbers in it."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from myocard.files.atomic import replace_file


@dataclass(frozen=True)
class Figure:
    """One figure and the numbers in it.

    Attributes:
        name: Stem of its files.
        caption: Its content, and how to read it.
        svg: An ``<svg>`` element.
        numbers: The values that are drawn.
    """

    name: str
    caption: str
    svg: str
    numbers: pd.DataFrame

    def write(self, folder: Path) -> None:
        write_text(self.svg, folder / f"{self.name}.svg")
        write_numbers(self.numbers, folder / f"{self.name}.csv")


def write_text(text: str, path: Path) -> None:
    replace_file(path, lambda fresh: fresh.write_text(text, encoding="utf-8"))


def write_numbers(table: pd.DataFrame, path: Path) -> None:
    replace_file(path, lambda fresh: table.to_csv(fresh, index=False, lineterminator="\n"))
