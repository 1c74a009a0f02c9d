"""Finished parts joined to one store: duplicates, folds, the table and the array."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import write_array_header_1_0

from myocard.data import labels
from myocard.data.folds import assign_folds, check_folds, split_hash
from myocard.data.preparation.examination import Wanted
from myocard.data.sources.entry import Entry
from myocard.data.store import FILES, StoreInput
from myocard.errors import InputError
from myocard.files.manifest import STORE
from myocard.files.step import INPUTS, Inputs

_LOG = logging.getLogger(__name__)
_ALIKE = 20
"""Records of one patient that are nothing unusual."""
_LACKING = 7 * 16
"""Hyphens of a fingerprint that is of one lead alone, too little to tell two people apart."""
_HIDDEN = (
    "%s: files called by a name or number of their patient: %d, such as %s; their ids are "
    "pseudonyms (--keep-identifiers keeps them)"
)
_SHOWN = "%s: ids that hold a name or number of their patient: %d, such as %s; rename the files"
_LEFT_OUT = "%s: records without texts that name their patient, left out: %d, such as %s"
_NOBODY = (
    "%s: records that name no patient: %d, such as %s; each counts as a person of its own, unless "
    "a labels.csv says who it is"
)
UNKNOWN = "unknown_codes.csv"
"""The file that counts the records of each code in no table."""


def join(
    parts: Sequence[Path],
    folder: Path,
    wanted: Wanted,
    entries: Sequence[Entry],
    inputs: Inputs,
    unusable: Path,
) -> None:
    """Write the store's files into ``folder``.

    Args:
        parts: Files that ``prepare_parts`` made.
        folder: Empty.
        wanted: Requirements on every record.
        entries: The records.
        inputs: Inputs of the store, of which source, split_seed and shard are used.
        unusable: File that the quarantine goes to if no record can be used.

    Raises:
        InputError: When no record can be used (``unusable`` then lists why), or units are mixed.
    """
    source = inputs["source"]
    tables = [json.loads(str(np.load(part)["rows"])) for part in parts]
    found = pd.DataFrame([row for table in tables for row in table])
    found["part"] = np.repeat([str(part) for part in parts], [len(table) for table in tables])
    found["path"] = [str(entry.path) for entry in entries]
    _tell_identities(found, entries, source)
    _mark_duplicates(found, allowed="duplicate" in wanted.allow)
    if "fingerprint" in found:
        _mark_copies(found)
    barred, kept = found[found["reason"] != ""], found[found["reason"] == ""]
    barred[["id", "path", "reason", "detail"]].to_csv(folder / "quarantine.csv", index=False)
    if kept.empty:
        counts = barred["reason"].value_counts().items()
        listed = ", ".join(f"{count} {reason}" for reason, count in counts)
        (folder / "quarantine.csv").replace(unusable)
        first = barred.iloc[0]
        raise InputError(
            f"{unusable}: no record can be used ({listed}); the first is {first['path']}: "
            f"{first['detail']}"
        )
    units = sorted(set(kept["unit"]))
    if len(units) > 1:
        raise InputError(f"{source}: records in {' and '.join(units)}; prepare them apart")
    write_unknown(entries, folder / UNKNOWN)
    _list_flags(kept).to_csv(folder / "flags.csv", index=False)
    records = _describe([entries[i] for i in kept.index], kept, source)
    split = _split(records, inputs["split_seed"])
    shape = (len(kept), len(wanted.leads), wanted.samples)
    _copy_signals(folder / "signals.npy", found, shape)
    records.to_parquet(folder / "records.parquet", index=False)
    made = StoreInput(wanted.rate, wanted.samples, wanted.leads, wanted.band, units[0])
    info = {
        "source": source,
        "shard": inputs["shard"],
        "made": asdict(made),
        "split": split,
        "quarantined": len(barred),
        "allowed": list(wanted.allow),
        "standardised": wanted.standardise,
        "myocard": version("myocard"),
    }
    STORE.write(folder, info, (*FILES, UNKNOWN, "flags.csv", INPUTS))


def write_unknown(entries: Sequence[Entry], path: Path) -> None:
    """Write the codes that their schemes' tables do not know, the most frequent first."""
    counts = labels.unknown([entry.codes for entry in entries]).most_common()
    pd.DataFrame(counts, columns=["code", "records"]).to_csv(path, index=False)


def _tell_identities(found: pd.DataFrame, entries: Sequence[Entry], source: str) -> None:
    """Blank paths that name a patient, and log what was found of patients' names, by record.

    Raises:
        InputError: When the data set is called by a patient.
    """
    hidden = found["id"] != [entry.id for entry in entries]
    paths = found["path"].copy()
    found.loc[hidden, "path"] = ""
    records = [entry.window_of or entry.id for entry in entries]
    each = found.assign(hidden=hidden, path=paths, record=records).drop_duplicates("record")
    read = each[each["named"].notna()] if "named" in each else each[:0]
    if any(source_too for _, source_too in read.get("named", ())):
        raise InputError(f"{source}: called by a name of a patient; give another name by --dataset")
    kept = read[read["reason"] == ""]
    if kept.empty:
        return
    for told, some in (
        (_HIDDEN, each[each["hidden"]]),
        (_SHOWN, read[[name for name, _ in read["named"]]]),
        (_LEFT_OUT, kept[kept["left_out"] > 0]),
        (_NOBODY, kept[kept["nobody"].astype(bool)]),
    ):
        if len(some):
            _LOG.warning(told, source, len(some), some["path"].iloc[0])
    sizes = kept["patient"].value_counts()
    if len(sizes) and sizes.iloc[0] > max(_ALIKE, len(kept) / 2):
        _LOG.warning(
            "%s: %d of %d records are of one patient; a number that stands for nobody?",
            source, sizes.iloc[0], len(kept),
        )  # fmt: skip


def _mark_duplicates(found: pd.DataFrame, *, allowed: bool) -> None:
    usable = found[found["reason"] == ""]
    first = usable.drop_duplicates("sha256").set_index("sha256")["id"]
    again = usable.index[usable["sha256"].duplicated()]
    told = "of record " + found.loc[again, "sha256"].map(first)
    if allowed:
        _flag(found, "duplicate", told)
    else:
        found.loc[again, "reason"] = "duplicate"
        found.loc[again, "detail"] = told


def _mark_copies(found: pd.DataFrame) -> None:
    """Flag records that look like an earlier one: another rate, filter or rounding of it."""
    kept = found[found["reason"] == ""].drop_duplicates("sha256")
    kept = kept[kept["fingerprint"].str.count("-") < _LACKING]
    first = kept.drop_duplicates("fingerprint").set_index("fingerprint")["id"]
    again = kept.index[kept["fingerprint"].duplicated()]
    _flag(found, "copy", "of record " + found.loc[again, "fingerprint"].map(first))


def _flag(found: pd.DataFrame, flag: str, details: pd.Series) -> None:
    flags = found["flags"].tolist()
    for row, detail in zip(details.index.tolist(), details.tolist(), strict=True):
        flags[row] = [*flags[row], (flag, detail)]
    found["flags"] = flags


def _list_flags(kept: pd.DataFrame) -> pd.DataFrame:
    """Return a row of id, path, flag and detail for each flag of each record."""
    listed = zip(kept["id"], kept["path"], kept["flags"], strict=True)
    rows = [(record, path, *flag) for record, path, flags in listed for flag in flags]
    return pd.DataFrame(rows, columns=["id", "path", "flag", "detail"])


def _describe(entries: Sequence[Entry], found: pd.DataFrame, source: str) -> pd.DataFrame:
    said = found.reset_index(drop=True)
    table = said[["id", "patient"]].copy()
    table["fold"] = [entry.fold for entry in entries]
    table["codes"] = [list(entry.codes) for entry in entries]
    table["age"] = said["age"].astype("float64")
    table["sex"] = said["sex"]
    table["site"] = [entry.site for entry in entries]
    table["device"] = said["device"]
    facts = pd.DataFrame(said["facts"].tolist())
    for name in facts:
        if facts[name].map(_says).any():
            table[name] = facts[name]
    table["source"] = source
    # Windows of a record have a start.
    made = [name for name in ("start", "sha256", "fingerprint", "scale") if name in found]
    table[made] = said[made]
    table["flags"] = [";".join(dict.fromkeys(flag for flag, _ in own)) for own in found["flags"]]
    return table


def _says(value: object) -> bool:
    """Tell whether a cell holds a text, a number or statements."""
    return bool(value) if isinstance(value, list) else value is not None and value == value


def _split(records: pd.DataFrame, seed: int) -> dict[str, object]:
    """Give ``records`` folds where the source publishes none, and say which these are."""
    split: dict[str, object] = {"kind": "published"}
    if records["fold"].isna().any():
        patients, codes = records["patient"].tolist(), records["codes"].tolist()
        records["fold"] = assign_folds(patients, codes, seed=seed)
        split = {"kind": "stratified by patient", "folds": 10, "seed": seed}
    check_folds(records)
    records["fold"] = records["fold"].astype("int64")
    return split | {"sha256": split_hash(records["id"].tolist(), records["fold"].tolist())}


def _copy_signals(path: Path, found: pd.DataFrame, shape: tuple[int, ...]) -> None:
    # Written and not mapped: a full disk is an error then, and in a map the end of the process.
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": "<i2", "fortran_order": False, "shape": shape})
        for part, rows in found[found["sha256"] != ""].groupby("part", sort=False):
            kept = (rows["reason"] == "").to_numpy()
            file.write(np.load(str(part))["signals"][kept].data)
