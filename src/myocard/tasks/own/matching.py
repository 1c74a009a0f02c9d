"""Ids of a table and of a store: the same, or alike by rules that stay one to one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

EXACT = "exact"
ENDINGS = (
    ".hea", ".dat", ".mat", ".csv", ".tsv", ".txt", ".xml", ".json", ".dcm", ".edf", ".scp",
    ".ecg", ".npy", ".npz", ".h5", ".hdf5", ".pdf", ".0",
)  # fmt: skip
"""Endings that are no part of an id; ``.0`` is that of a whole number in a column of numbers."""


class Matches(NamedTuple):
    """Records of a table's ids.

    Attributes:
        records: ``(ids,)``: place of the record of each id, or -1.
        rules: ``(ids,)``: the rule by which it was found; empty where it was not.
        ambiguous: ``(ids,)``: True where several ids or records are alike.
        ambiguous_records: ``(records,)``: True for a record that is like such an id.
    """

    records: NDArray[np.int64]
    rules: NDArray[np.object_]
    ambiguous: NDArray[np.bool_]
    ambiguous_records: NDArray[np.bool_]


def _without_ending(name: str) -> str:
    for ending in ENDINGS:
        if name.endswith(ending) and name != ending:
            return name.removesuffix(ending)
    return name


RULES: Mapping[str, Callable[[str], str]] = {
    EXACT: str,
    "capitals and blanks": lambda name: " ".join(name.split()).casefold(),
    "last part of the path": lambda name: name.replace("\\", "/").rstrip("/").rpartition("/")[2],
    "ending": _without_ending,
    "leading zeros": lambda name: name.lstrip("0") or "0",
}
"""Rules in their order; each simplifies what the one before it left."""


def match(ids: Sequence[str], records: Sequence[str]) -> Matches:
    """Find the record of each id.

    An id is settled by the first rule under which some record is like it: found if that is one
    record, and like no other id, else ambiguous. All ids and records count, found ones too, so that
    no rule joins what an earlier one told apart.

    Args:
        ids: Ids of the table, each once.
        records: Ids of the store's records.
    """
    here, there = list(ids), list(records)
    found = np.full(len(here), -1, dtype=np.int64)
    rules = np.full(len(here), "", dtype=object)
    ambiguous = np.zeros(len(here), dtype=bool)
    ambiguous_records = np.zeros(len(there), dtype=bool)
    for rule, simplified in RULES.items():
        here, there = [simplified(name) for name in here], [simplified(name) for name in there]
        of_ids, of_records = Counter(here), Counter(there)
        place = {name: row for row, name in enumerate(there)}
        unclear = set()
        for row, name in enumerate(here):
            if found[row] >= 0 or ambiguous[row] or name not in of_records:
                continue
            if of_ids[name] == of_records[name] == 1:
                found[row], rules[row] = place[name], rule
            else:
                ambiguous[row] = True
                unclear.add(name)
        ambiguous_records |= np.array([name in unclear for name in there], dtype=bool)
    ambiguous_records[found[found >= 0]] = False
    return Matches(found, rules, ambiguous, ambiguous_records)
