"""Settings of a task of one's own: what each column holds, and how records are split."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from myocard.errors import InputError
from myocard.outcomes import Outcome
from myocard.recipe import Settings, check
from myocard.recipe.evaluation import Seed
from myocard.recipe.settings import read_content
from myocard.tasks.own.words import folded, plain

Kind = Literal["binary", "one", "several", "number", "time"]
OUTCOMES: Mapping[Kind, Outcome] = {
    "binary": "any",
    "one": "one",
    "several": "any",
    "number": "number",
    "time": "time",
}
MISSING = (
    "", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "nat", "null", "none", "nil",
    "-", "--", "–", "—", ".", "?", "missing", "unknown", "not available",
)  # fmt: skip
"""Words, in any case, of a cell that says nothing."""
NO_PATIENTS = "none"
WAYS = ("store", "made", "date", "site")
"""Splits that are no column: the store's folds, or made at random, by date, or by site."""


def _word(given: str) -> str:
    if not plain(given):
        raise ValueError("is blank; give a word, or leave it out")
    return plain(given)


def _separator(given: str) -> str:
    if not given.strip() and given != " ":
        raise ValueError("is blank, and cells are read with single blanks; use another sign")
    return given


Word = Annotated[str, AfterValidator(_word)]
Separator = Annotated[str, AfterValidator(_separator)]


class OwnTaskSettings(Settings):
    """Content of a table's columns, and the split of its records."""

    kind: Kind
    id: Word = Field(description="column of the records' ids")
    target: tuple[Word, ...] = Field(
        min_length=1, description="column of the labels; of several classes, a column each"
    )
    unit: Word | None = Field(default=None, description="of a number or a time")
    event: Word | None = Field(default=None, description="column: 1 if seen, 0 if not yet")
    positive: Word | None = Field(default=None, description="the one of two words that is positive")
    list_separator: Separator | None = Field(
        default=None, min_length=1, description="between the classes in a cell"
    )
    missing: tuple[str, ...] = Field(
        default=MISSING, description="words of a label that is not known"
    )
    decimal: Literal[".", ","] | None = Field(default=None, description="if cells do not prove it")
    sheet: str | None = Field(default=None, description="of a workbook that has several")
    patient: Word | None = Field(
        default=None, description="column; none: each record is a person; by default the store's"
    )
    split: Word | None = Field(
        default=None,
        description="store, made, date, site or a column; the store's folds by default, or made",
    )
    date: Word | None = Field(default=None, description="column of the records' dates")
    date_format: str | None = Field(default=None, description="such as %d/%m/%Y")
    site: Word | None = Field(default=None, description="column; by default the store's")
    test_site: tuple[Word, ...] = Field(default=(), description="sites to test on")
    unmatched: float = Field(default=0.1, ge=0, le=1, description="share of ids without a record")
    seed: Seed = 0

    @model_validator(mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        target = given.get("target") if isinstance(given, dict) else None
        if not isinstance(target, str):
            return given
        several = given.get("kind") == "several"
        names = target.split(",") if several else [target]
        return given | {"target": names}

    @field_validator("missing")
    @classmethod
    def _in_any_case(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted({"", *map(folded, words)}))

    @model_validator(mode="after")
    def _fits_together(self) -> "OwnTaskSettings":
        listed, binary = self.list_separator is not None, self.kind in ("binary", "several")
        roles = Counter(map(folded, (self.id, *self.target, *filter(None, [self.event]))))
        twice = ", ".join(name for name, count in roles.items() if count > 1)
        measured = self.kind in ("number", "time")
        faults = {
            f"{twice} is named twice; id, event and each target are columns of their own, whose "
            "names differ by more than capitals and blanks": bool(twice),
            "unit (--unit) is what a number or a time is counted in; leave it out for the kind "
            f"{self.kind}": self.unit is not None and not measured,
            "decimal is for the kinds number and time": self.decimal is not None and not measured,
            "kind time needs event, a column of 1 (seen) and 0": self.kind == "time"
            and self.event is None,
            "event is for the kind time": self.kind != "time" and self.event is not None,
            "several columns of target are for the kind several": self.kind != "several"
            and len(self.target) > 1,
            "kind several needs a column for each class, or list_separator": self.kind == "several"
            and not listed
            and len(self.target) == 1,
            "list_separator is for the kind several and one column": listed
            and (self.kind != "several" or len(self.target) > 1),
            "positive is for columns of two values": self.positive is not None
            and (listed or not (binary or self.kind == "time")),
            "split date needs date, the column": self.split == "date" and self.date is None,
            "date_format needs date, the column": self.date_format is not None
            and self.date is None,
            "split site needs test_site, the sites to test on": self.split == "site"
            and not self.test_site,
            "test_site is for the split site": self.split != "site" and bool(self.test_site),
        }
        for fault, is_so in faults.items():
            if is_so:
                raise ValueError(fault)
        return self

    @property
    def outcome(self) -> Outcome:
        return OUTCOMES[self.kind]

    @property
    def patient_column(self) -> str | None:
        return None if self.patient == NO_PATIENTS else self.patient

    @property
    def split_column(self) -> str | None:
        return None if self.split in WAYS else self.split

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that the table must have."""
        others = (self.event, self.patient_column, self.split_column, self.date, self.site)
        named = (self.id, *self.target, *(column for column in others if column is not None))
        return tuple(dict.fromkeys(named))


def read_settings(file: Path, asked: Mapping[str, object]) -> tuple[Path, OwnTaskSettings]:
    """Read settings that are given beside a table, or in a TOML file that names it.

    Args:
        file: A table, or a TOML file with the key ``labels``: the table's path from there.
        asked: Settings, put over the file's.

    Returns:
        The table, and its settings.

    Raises:
        InputError: When the file is no TOML or names no table, or a setting is missing or wrong.
    """
    if file.suffix != ".toml":
        return file, check(OwnTaskSettings, dict(asked), str(file))
    content = read_content(file)
    labels = content.pop("labels", None)
    if not isinstance(labels, str):
        raise InputError(f'{file}: names no table; add labels = "FILE", its path from there')
    return file.parent / labels, check(OwnTaskSettings, content | dict(asked), str(file))
