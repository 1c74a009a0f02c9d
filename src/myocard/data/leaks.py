"""Records that two tables share, whatever they are called in each.

Both tables have the columns source, id, patient, sha256 and fingerprint.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from myocard.data.corpora import PretrainedOn
from myocard.data.fingerprint import copies
from myocard.errors import InputError
from myocard.files.atomic import replace_file, writing
from myocard.files.tables import read_parquet

WAYS = {
    "same waveform as": ["sha256"],
    "same record as": ["source", "id"],
    "same patient as": ["source", "patient"],
}
COPY = "same fingerprint as"
_MAKE = "make one with `myocard fingerprint`"


def write_fingerprints(records: pd.DataFrame, file: Path) -> None:
    """Write what recognises records and tells nothing else of them: no signal, id or patient.

    Raises:
        InputError: When the file is there already, or cannot be written.
    """
    if file.exists():
        raise InputError(f"{file}: exists already; choose another file, or remove it")
    names = records["source"] + " " + records["id"]
    hashed = [hashlib.sha256(name.encode()).hexdigest()[:16] for name in names]
    table = records[["source", "sha256", "fingerprint"]].assign(id=hashed)
    with writing(file):
        replace_file(file, lambda fresh: table.to_parquet(fresh, index=False, compression="zstd"))


def read_fingerprints(file: Path) -> PretrainedOn:
    """Read a corpus that ``write_fingerprints`` wrote.

    Raises:
        InputError: When it is no such file.
    """
    table = read_parquet(file, ("source", "id", "sha256", "fingerprint"), _MAKE).astype(str)
    if not table["fingerprint"].str.fullmatch(r"[0-9a-f-]{128}").all():
        raise InputError(f"{file}: holds other fingerprints than myocard's; {_MAKE}")
    # Ids are hashed, so that no record is recognised by its id or patient.
    return PretrainedOn(table.assign(patient=table["id"]))


def nothing_known(records: pd.DataFrame) -> pd.Series:
    """Return empty words for each of ``records``, none of which a model was trained on."""
    return pd.Series("", index=records.index, dtype=object)


def recognise(known: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Find the ``records`` that are ``known``.

    Returns:
        A row for each such record, by the first way of recognising it: ``row`` (its position in
        ``records``), ``how``, and ``source`` and ``id`` of the known record.
    """
    found = [_equal(known, records, columns).assign(how=how) for how, columns in WAYS.items()]
    found.append(_copied(known, records).assign(how=COPY))
    return pd.concat(found).drop_duplicates("row").sort_values("row", ignore_index=True)


def known_as(known: pd.DataFrame, records: pd.DataFrame) -> pd.Series:
    """Tell in words how and as which each of ``records`` is known; empty where it is not."""
    found = recognise(known, records)
    words = np.full(len(records), "", dtype=object)
    words[found["row"]] = (found["how"] + " " + found["source"] + " " + found["id"]).to_numpy()
    return pd.Series(words, index=records.index, dtype=object)


def refuse(ids: Iterable[str], known: Iterable[str], *, model: str, split: str, fix: str) -> None:
    """Refuse records that a model was trained on.

    Args:
        ids: Ids of the records.
        known: Words that say how each is known; empty where it is not.
        model: Name of the model that was trained on them.
        split: Purpose of the records.
        fix: Advice on what would help.

    Raises:
        InputError: Naming the records.
    """
    shared = [f"{name}, {how}" for name, how in zip(ids, known, strict=True) if how]
    if shared:
        shown = "; ".join(shared[:5]) + ("; …" if len(shared) > 5 else "")
        raise InputError(
            f"leak: the {model} was trained on {len(shared)} records of {split} ({shown}); {fix}"
        )


def _equal(known: pd.DataFrame, records: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    here = records[columns].assign(row=range(len(records)))
    there = known.drop_duplicates(columns)
    there = there[columns].assign(known_source=there["source"], known_id=there["id"])
    both = here.merge(there, on=columns)
    return both[["row", "known_source", "known_id"]].set_axis(["row", "source", "id"], axis=1)


def _copied(known: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Find records whose waveform is a known one in another form."""
    rows, places = copies(records["fingerprint"].tolist(), known["fingerprint"].tolist())
    found = known.iloc[places]
    return pd.DataFrame({"row": rows, "source": found["source"].array, "id": found["id"].array})
