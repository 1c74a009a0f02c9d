"""Finished parts joined to one store: duplicates, folds, the table and the array."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import write_array_header_1_0

from myocard.data import labels
from myocard.data.folds import assign_folds, split_hash
from myocard.data.preparation.examination import Wanted
from myocard.data.sources.entry import Entry
from myocard.data.store import FILES, StoreInput
from myocard.errors import InputError
from myocard.files.manifest import STORE
from myocard.files.step import INPUTS, Inputs

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
    _mark_duplicates(found, allowed="duplicate" in wanted.allow)
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


def _mark_duplicates(found: pd.DataFrame, *, allowed: bool) -> None:
    usable = found[found["reason"] == ""]
    first = usable.drop_duplicates("sha256").set_index("sha256")["id"]
    again = usable.index[usable["sha256"].duplicated()]
    told = "of record " + found.loc[again, "sha256"].map(first)
    if allowed:
        flags = found["flags"].tolist()
        for row, detail in zip(again.tolist(), told.tolist(), strict=True):
            flags[row] = [*flags[row], ("duplicate", detail)]
        found["flags"] = flags
    else:
        found.loc[again, "reason"] = "duplicate"
        found.loc[again, "detail"] = told


def _list_flags(kept: pd.DataFrame) -> pd.DataFrame:
    """Return a row of id, path, flag and detail for each flag of each record."""
    listed = zip(kept["id"], kept["path"], kept["flags"], strict=True)
    rows = [(record, path, *flag) for record, path, flags in listed for flag in flags]
    return pd.DataFrame(rows, columns=["id", "path", "flag", "detail"])


def _describe(entries: Sequence[Entry], found: pd.DataFrame, source: str) -> pd.DataFrame:
    columns = ("id", "patient", "fold", "codes", "age", "sex", "site", "device")
    table = pd.DataFrame([{name: getattr(e, name) for name in columns} for e in entries])
    table["codes"] = table["codes"].map(list)
    table["age"] = table["age"].astype("float64")
    table["source"] = source
    # Windows of a record have a start.
    for column in ("start", "sha256", "fingerprint", "scale")["start" not in found :]:
        table[column] = found[column].to_numpy()
    table["flags"] = [";".join(dict.fromkeys(flag for flag, _ in own)) for own in found["flags"]]
    return table


def _split(records: pd.DataFrame, seed: int) -> dict[str, object]:
    """Give ``records`` folds where the source publishes none, and say which these are."""
    split: dict[str, object] = {"kind": "published"}
    if records["fold"].isna().any():
        patients, codes = records["patient"].tolist(), records["codes"].tolist()
        records["fold"] = assign_folds(patients, codes, seed=seed)
        split = {"kind": "stratified by patient", "folds": 10, "seed": seed}
    records["fold"] = records["fold"].astype("int64")
    return split | {"sha256": split_hash(records["id"].tolist(), records["fold"].tolist())}


def _copy_signals(path: Path, found: pd.DataFrame, shape: tuple[int, ...]) -> None:
    # Written and not mapped: a full disk is an error then, and in a map the end of the process.
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": "<i2", "fortran_order": False, "shape": shape})
        for part, rows in found[found["sha256"] != ""].groupby("part", sort=False):
            kept = (rows["reason"] == "").to_numpy()
            file.write(np.load(str(part))["signals"][kept].tobytes())
