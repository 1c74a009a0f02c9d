"""Content of a store that could tell who a person is."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from myocard.data.pseudonyms import is_pseudonym
from myocard.data.store import Store

_OLDEST = 89
"""Age in years above which few are alike (HIPAA, 45 CFR 164.514(b)(2)(i)(C))."""
_ALIKE = ["age", "sex", "site", "device"]
_SHOWN = 3


@dataclass(frozen=True)
class Finding:
    """Content that could identify someone.

    Attributes:
        where: Column or file.
        told: What it holds, of how many records, and what can be done.
        direct: True for what identifies by itself; other findings do together, or with other data.
    """

    where: str
    told: str
    direct: bool = False


def identifying(store: Store) -> list[Finding]:
    """List what a store holds that could identify a person, the direct first."""
    return sorted(_findings(store), key=lambda finding: not finding.direct)


def _findings(store: Store) -> Iterator[Finding]:
    records = store.records
    if "identifiers" in records:
        count = records["identifiers"].notna().sum()
        told = f"names, numbers and dates of {count:,} records; prepare without --keep-identifiers"
        yield Finding("identifiers", told, direct=True)
    yield from _names(records)
    yield from _facts(records)
    for name in ("quarantine.csv", "flags.csv"):
        path = store.folder / name
        count = pd.read_csv(path)["path"].notna().sum() if path.is_file() else 0
        if count:
            yield Finding(name, f"paths of files: {count:,}; leave it out of what you share")
    told = f"{len(records):,} ECGs; whoever has another ECG of a person may find them by it"
    yield Finding("signals.npy", told)


def _names(records: pd.DataFrame) -> Iterator[Finding]:
    """Judge patients and ids of one's own folders; those of published data sets are public."""
    own = records[records["source"].str.startswith("folder ")]
    written = own[(own["patient"] != own["id"]) & _readable(own["patient"])]
    if len(written):
        told = (
            f"{written['patient'].nunique():,} patients as table or files write them, such as "
            f"{_some(written['patient'])}; write pseudonyms (myocard.pseudonym), or none"
        )
        yield Finding("patient", told, direct=True)
    files = own[_readable(own["id"])]
    if len(files):
        told = f"{len(files):,} files as they are called, such as {_some(files['id'])}"
        yield Finding("id", told)


def _facts(records: pd.DataFrame) -> Iterator[Finding]:
    if "date" in records:
        yield Finding("date", f"day and time of {records['date'].notna().sum():,} recordings")
    if "statements" in records:
        count = records["statements"].map(len).gt(0).sum()
        yield Finding("statements", f"texts of {count:,} records; somebody may have typed in them")
    old = (records["age"] > _OLDEST).sum()
    if old:
        yield Finding("age", f"{old:,} records of patients above {_OLDEST} years")
    people = records.drop_duplicates("patient")
    known = people[people[_ALIKE].notna().any(axis=1)]
    alone = ~known[_ALIKE].round().duplicated(keep=False)
    if alone.any():
        told = f"{alone.sum():,} of {len(people):,} patients are the only one of theirs"
        yield Finding(", ".join(_ALIKE), told)


def _readable(names: pd.Series) -> pd.Series:
    """Tell names from pseudonyms."""
    return ~names.map(is_pseudonym).astype(bool)


def _some(values: pd.Series) -> str:
    return ", ".join(values.drop_duplicates()[:_SHOWN])
