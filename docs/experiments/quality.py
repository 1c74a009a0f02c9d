"""False alarms and hits of the checks in data/quality.py, on all real records at hand.

    python docs/experiments/quality.py docs/results

Limits and the covariance of the leads come from one half of the patients, the table from the other:
as recorded, and with leads, electrodes and units exchanged on purpose. The first half's
figures are printed. It takes 2 minutes.
"""

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from myocard.data.electrodes import INDEPENDENT, exchanges, gains_of, inversion, spread
from myocard.data.quality import Excerpt, faults_of
from myocard.data.sources import entries
from myocard.leads import LEADS, limb_leads

DATA = Path(os.environ["MYOCARD_DATA"])
FOLDERS = {
    "ptbxl_100": "ptbxl-100",
    "ptbxl_500": "ptbxl-500",
    "ptbxl": "ptbxl-500",
    "ptbxl_z": "ptbxl-100",
    "cinc2011": "cinc2011",
    "chapman_sample": "chapman",
    "cinc2021_sample": "challenge",
    "cpsc2018_sample": "cpsc2018",
    "code15_sample": "code15",
    "challenge/chapman_shaoxing": "challenge",
    "challenge/cpsc_2018": "challenge",
    "challenge/cpsc_2018_extra": "challenge",
    "challenge/georgia": "challenge",
    "challenge/ningbo": "challenge",
    "challenge/ptb": "challenge",
    "challenge/ptbxl_challenge": "challenge",
    "chagas/code15": "folder",
    "chagas/samitrop": "folder",
}
CHECKS = ("flat_lead", "saturated", "amplitude", "wrong_unit", "limb_leads", "electrodes")
GOOD = "good records of 12 leads in mV"
EVERY = 8
"""Step between the records that get leads exchanged or inverted, which takes longest."""

Row = dict[str, Any]
Change = Callable[[np.ndarray], np.ndarray]


class Known(NamedTuple):
    """An excerpt and what is known of its record."""

    data: str
    chosen_on: bool
    excerpt: Excerpt


def known() -> Iterator[Known]:
    """Read all records; those of bad quality are data of their own."""
    for folder, source in FOLDERS.items():
        for entry in entries(source, DATA / folder):
            record = entry.read()
            if record.not_finite:
                continue
            poor = " unacceptable" if "cinc2011:unacceptable" in entry.codes else ""
            half = hashlib.sha256(entry.patient.encode()).digest()[0] % 2 == 0
            yield Known(folder + poor, half, Excerpt.of(record))


def alarms(excerpt: Excerpt) -> dict[str, str]:
    """Return reason and detail of all that is found."""
    return dict(faults_of(excerpt)) | ({"flat_lead": ""} if excerpt.empty else {})


def changed(excerpt: Excerpt, change: Change) -> Excerpt:
    """Return the excerpt of a record that was changed by a linear map of its leads."""
    return replace(excerpt, values=change(excerpt.values), changes=change(excerpt.changes))


def electrodes(name: str) -> Change:
    def change(rows: np.ndarray) -> np.ndarray:
        places = [LEADS.index(lead) for lead in INDEPENDENT]
        found = dict(zip(INDEPENDENT, exchanges()[name] @ rows[places], strict=True))
        found |= limb_leads(found["I"], found["II"])
        return np.stack([found[lead] for lead in LEADS]).astype(np.float32)

    return change


def ordered(one: int, other: int) -> Change:
    order = np.arange(12)
    order[[one, other]] = other, one
    return lambda rows: rows[order]


def inverted(leads: range) -> Change:
    signs = np.where(np.isin(np.arange(12), leads), -1, 1).astype(np.float32)
    return lambda rows: signs[:, None] * rows


def planted() -> Iterator[tuple[str, str, Change]]:
    """Return what is done to a record, what a detail should then say, and the change itself."""
    for name in exchanges():
        if name.endswith("exchanged"):
            yield f"electrodes {name.removesuffix(' were exchanged')}", name, electrodes(name)
    for one, other in combinations(range(12), 2):
        pair = f"{LEADS[one]} and {LEADS[other]}"
        yield f"leads {pair}", f"{pair} were exchanged", ordered(one, other)
    for place, lead in enumerate(LEADS):
        yield f"{lead} inverted", f"{lead} were inverted", inverted(range(place, place + 1))
    yield "all inverted", "all leads were inverted", inverted(range(12))
    for power in (3, 2, 1, -1, -2, -3):
        factor = np.float32(10.0**power)
        usual = f"{10.0**-power:g}"
        yield f"{factor:g} times", usual, lambda rows, factor=factor: rows * factor


def choose(records: list[Known]) -> None:
    """Print the covariance of one half, and what its values exceed the limits."""
    rows = [LEADS.index(lead) for lead in INDEPENDENT]
    found = [spread(each.excerpt.changes[rows]) for each in records]
    usual = np.mean([each / each.trace() for each in found], axis=0)
    print("COVARIANCE", np.array2string(usual.round(4), separator=", "))
    gains = [gains_of(each).max() for each in found]
    turned = [inversion(each.excerpt.values[rows]) for each in records]
    swings = [each.excerpt.swing for each in records]
    print("gains", np.quantile(gains, [0.5, 0.95, 0.99, 0.995]).round(2))
    print("inversions", np.quantile(turned, [0.5, 0.95, 0.99, 0.995]).round(2))
    print("swings", np.quantile(swings, [0, 0.005, 0.5, 0.995, 1]).round(3))


def as_recorded(records: list[Known]) -> Iterator[Row]:
    """Count alarms by data set and check."""
    counts, totals = Counter(), Counter(each.data for each in records)
    for each in records:
        counts.update((each.data, check) for check in alarms(each.excerpt))
    for data, total in totals.items():
        for check in CHECKS:
            found = counts[data, check]
            yield {"planted": "", "data": data, "check": check, "records": total, "found": found}


def few_leads(records: list[Known]) -> Iterator[Row]:
    """Count alarms in records of which a few leads are left."""
    for leads in (("I",), ("I", "II"), ("V2",)):
        found = [alarms(each.excerpt.select(leads)) for each in records]
        yield from counted(f"{' and '.join(leads)} alone", found)


def with_fault(records: list[Known], name: str, told: str, change: Change) -> Iterator[Row]:
    """Count records in which a planted fault is found, and rightly named."""
    some = records if name.startswith("electrodes") or name.endswith("times") else records[::EVERY]
    found = [alarms(changed(each.excerpt, change)) for each in some]
    for row in counted(name, found):
        named = sum(told in each.get(row["check"], "") for each in found)
        yield row | {"named": named}


def counted(name: str, found: list[dict[str, str]]) -> Iterator[Row]:
    """Return a row for each check that found something, or one for none."""
    counts = Counter(check for each in found for check in each)
    for check in counts or ("",):
        row = {"planted": name, "data": GOOD, "check": check}
        yield row | {"records": len(found), "found": counts[check]}


def main(out: Path) -> None:
    records = list(known())
    good = [
        each
        for each in records
        if each.excerpt.unit == "mV" and "unacceptable" not in each.data
        and each.excerpt.leads == LEADS and not each.excerpt.empty
    ]  # fmt: skip
    seen = {each.excerpt.values[:, :200].tobytes(): each for each in good}
    distinct = list(seen.values())
    choose([each for each in distinct if each.chosen_on])
    others = [each for each in distinct if not each.chosen_on]
    rows = [*as_recorded([each for each in records if not each.chosen_on]), *few_leads(others)]
    for fault in planted():
        rows += with_fault(others, *fault)
    table = pd.DataFrame(rows)
    table["named"] = table["named"].astype("Int64")
    table.to_csv(out / "quality.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
