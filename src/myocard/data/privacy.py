"""Content of a store that could tell who a person is."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from pandas.api.types import is_list_like

from myocard.data.pseudonyms import is_pseudonym
from myocard.data.sources import PUBLISHED
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


def identifying_content(store: Store) -> list[Finding]:
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
    folders = [
        store.folder.with_name(name) for name in store.info.get("shards", {store.folder.name})
    ]
    for name in ("quarantine.csv", "flags.csv"):
        paths = [pd.read_csv(path)["path"] for each in folders if (path := each / name).is_file()]
        count = pd.concat(paths).nunique() if paths else 0
        if count:
            yield Finding(name, f"paths of files: {count:,}; leave it out of what you share")
    told = f"{len(records):,} ECGs; whoever has another ECG of a person may find them by it"
    yield Finding("signals.npy", told)


def _names(records: pd.DataFrame) -> Iterator[Finding]:
    """Judge patients and ids of all but published and simulated data sets."""
    public = records["source"].isin(PUBLISHED) | records["source"].str.startswith("simulated ")
    own = records[~public]
    # Windows of a record are called NAME@SECONDS.
    ids = own["id"].str.replace("@[^@]*$", "", regex=True) if "start" in own else own["id"]
    written = own.loc[(own["patient"] != ids) & _readable(own["patient"]), "patient"]
    if len(written):
        told = (
            f"{written.nunique():,} patients as table or files write them, such as "
            f"{_some(written)}; write pseudonyms (myocard.pseudonym), or none"
        )
        yield Finding("patient", told, direct=True)
    files = ids[_readable(ids)]
    if len(files):
        told = f"{files.nunique():,} files as they are called, such as {_some(files)}"
        yield Finding("id", told)


def _facts(records: pd.DataFrame) -> Iterator[Finding]:
    if "date" in records:
        yield Finding("date", f"day and time of {records['date'].notna().sum():,} recordings")
    if "statements" in records:
        count = sum(is_list_like(texts) and len(texts) > 0 for texts in records["statements"])
        yield Finding("statements", f"texts of {count:,} records; somebody may have typed in them")
    old = (records["age"] > _OLDEST).sum()
    if old:
        yield Finding("age", f"{old:,} records of patients above {_OLDEST} years")
    people = records.drop_duplicates("patient")
    known = people[people[_ALIKE].notna().any(axis=1)]
    alone = ~known[_ALIKE].round().duplicated(keep=False)
    if alone.any():
        told = f"{alone.sum():,} of {len(people):,} patients share all of these with nobody"
        yield Finding(", ".join(_ALIKE), told)


def _readable(names: pd.Series) -> pd.Series:
    """Tell names from pseudonyms."""
    return ~names.map(is_pseudonym).astype(bool)


def _some(values: pd.Series) -> str:
    return ", ".join(values.drop_duplicates()[:_SHOWN])
