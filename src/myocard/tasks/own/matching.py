"""Ids of a table and of a store: the same, or alike by rules that stay one to one."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.data.pseudonyms import is_pseudonym
from myocard.errors import InputError
from myocard.tasks.own.words import folded

EXACT = "exact"
_EXAMPLES = 3
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
    "capitals, blanks and encoding": folded,
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


def require_found(
    ids: Sequence[str],
    names: Sequence[str],
    records: Sequence[int] | NDArray[np.int64],
    most: float,
    *,
    where: str,
    fix: str,
) -> None:
    """Refuse labels of which too many have no record.

    Args:
        ids: Their ids.
        names: Ids of the store's records.
        records: Place of the record of each id, or -1.
        most: Share of the ids that may be without a record.
        where: The table or task, for messages.
        fix: Advice.

    Raises:
        InputError: When more are, or all.
    """
    lost = [name for name, record in zip(ids, records, strict=True) if record < 0]
    if len(lost) <= most * len(ids) and len(lost) < len(ids):
        return
    found = set(records)
    spare = [name for record, name in enumerate(names) if record not in found]
    share = "" if len(lost) == len(ids) else f"; more than {most:g} of all (--unmatched)"
    if any(map(is_pseudonym, spare)):
        fix += "; some ids are pseudonyms of files called by their patient (docs/data.md)"
    raise InputError(
        f"{where}: {len(lost)} of {len(ids)} ids have no record ({_examples(lost)}), and "
        f"{len(spare)} of {len(names)} records no row ({_examples(spare)}){share}; {fix}"
    )


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_EXAMPLES]))
    return f"{shown}, …" if len(names) > _EXAMPLES else shown or "none"
