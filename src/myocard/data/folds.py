"""Stratified folds by patient, for sources that publish none."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pandas as pd

from myocard.errors import InputError


def assign_folds(
    patients: Sequence[str], codes: Sequence[Sequence[str]], folds: int = 10, seed: int = 0
) -> list[int]:
    """Return a fold from 1 to ``folds`` for each record, equal for all records of a patient.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the rarest code is spread
    first, each of its patients going to the fold that most lacks it. Ties fall by a hash of patient
    and seed, so that the outcome does not depend on the order of the records.
    """
    of_patient: dict[str, Counter[str]] = defaultdict(Counter)
    for patient, labels in zip(patients, codes, strict=True):
        of_patient[patient].update(labels)
    order = sorted(of_patient, key=lambda p: hashlib.sha256(f"{seed}:{p}".encode()).digest())
    totals = sum(of_patient.values(), Counter[str]())
    sizes = Counter(patients)
    lacking = {code: np.full(folds, total / folds) for code, total in totals.items()}
    room = np.full(folds, len(patients) / folds)
    fold_of: dict[str, int] = {}
    for code in [*sorted(totals, key=lambda c: (totals[c], c)), None]:
        for patient in order:
            if patient in fold_of or (code is not None and code not in of_patient[patient]):
                continue
            wanted = room if code is None else lacking[code]
            fold = int(np.lexsort((-room, -wanted))[0])
            fold_of[patient] = fold
            room[fold] -= sizes[patient]
            for own, count in of_patient[patient].items():
                lacking[own][fold] -= count
    return [fold_of[patient] + 1 for patient in patients]


def split_hash(ids: Sequence[str], folds: Sequence[int]) -> str:
    """Return a hash that two people compare to know that they use the same split."""
    lines = sorted(f"{record}\t{fold}\n" for record, fold in zip(ids, folds, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def check_folds(records: pd.DataFrame) -> None:
    """Refuse folds that divide the records of a patient.

    Raises:
        InputError: Naming one.
    """
    folds = records.groupby("patient")["fold"].nunique()
    if (folds > 1).any():
        raise InputError(
            f"patient {folds.idxmax()!r} has records in {folds.max()} folds; keep a patient's "
            "records in one fold"
        )
