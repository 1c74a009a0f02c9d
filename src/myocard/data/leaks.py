"""Records that two tables share, whatever they are called in each.

Both tables have the columns source, id, patient, sha256 and fingerprint.
"""

import numpy as np
import pandas as pd

from myocard.data.fingerprint import TOLERANCE, nearest
from myocard.errors import InputError

WAYS = {
    "same waveform as": ["sha256"],
    "same record as": ["source", "id"],
    "same patient as": ["source", "patient"],
}
COPY = "same fingerprint as"


def recognise(known: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Which of ``records`` are ``known``, and how that is seen.

    Returns:
        A row for each such record, by the first of the ways: ``row`` (its position in ``records``),
        ``how``, and ``source`` and ``id`` of the record that is known.
    """
    found = [_equal(known, records, columns).assign(how=how) for how, columns in WAYS.items()]
    found.append(_copied(known, records).assign(how=COPY))
    return pd.concat(found).drop_duplicates("row").sort_values("row", ignore_index=True)


def seen(known: pd.DataFrame, records: pd.DataFrame) -> pd.Series:
    """For each of ``records`` how and as which it is known, in words; empty where it is not."""
    met = recognise(known, records)
    words = pd.Series("", index=range(len(records)), dtype=object)
    words[met["row"]] = (met["how"] + " " + met["source"] + " " + met["id"]).to_numpy()
    return words.set_axis(records.index)


def refuse(records: pd.DataFrame, who: str, split: str, fix: str) -> None:
    """Refuse ``records`` that ``who`` was trained on, as their column ``seen`` says.

    Raises:
        InputError: Naming them, and what would ``fix`` it.
    """
    met = records[records["seen"].astype(bool)]
    if len(met):
        words = [f"{i}, {how}" for i, how in zip(met["id"], met["seen"], strict=True)]
        shown = "; ".join(words[:5]) + ("; …" if len(words) > 5 else "")
        raise InputError(
            f"leak: the {who} was trained on {len(met)} records of {split} ({shown}); {fix}"
        )


def _equal(known: pd.DataFrame, records: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    here = records[columns].assign(row=range(len(records)))
    there = known.drop_duplicates(columns)
    there = there[columns].assign(met_source=there["source"], met_id=there["id"])
    met = here.merge(there, on=columns)
    return met[["row", "met_source", "met_id"]].set_axis(["row", "source", "id"], axis=1)


def _copied(known: pd.DataFrame, records: pd.DataFrame) -> pd.DataFrame:
    """Records whose waveform is one that is known, in another form."""
    places, shares = nearest(records["fingerprint"].tolist(), known["fingerprint"].tolist())
    rows = np.flatnonzero(shares <= TOLERANCE)
    met = known.iloc[places[rows]]
    return pd.DataFrame({"row": rows, "source": met["source"].array, "id": met["id"].array})
