"""Waves that LUDB's cardiologists marked: an annotation file for each record and lead.

A wave is ``(``, its peak ``p``, ``N`` or ``t``, and ``)``. The first and last seconds of a record
are not marked, and some waves lack a boundary: what is there is unknown.
"""

from pathlib import Path

import numpy as np

from myocard.data.formats.wfdb_annotations import Marks, read_marks
from myocard.data.formats.wfdb_header import read_header
from myocard.data.signal import resampled_length
from myocard.data.sources import dataset
from myocard.data.sources.ludb import root_of
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.waves import QRS, UNKNOWN, Delineation, OfLeads, P, T, nothing_known

SYMBOLS = {"p": P, "N": QRS, "t": T}


def read_waves(folder: Path, store: Store) -> list[OfLeads]:
    """Read the waves of a store's records, in seconds from the start of each as it is stored.

    Args:
        folder: LUDB, or another folder of its layout, from which the store was prepared.
        store: The records; those of other data sets have no waves.

    Returns:
        A mapping for each record of the store.

    Raises:
        InputError: When no record of the store is of ``folder``, none has a file of marks, or a
            file cannot be read.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; give LUDB's folder")
    source, root = dataset("ludb", folder), root_of(folder)
    records = store.records
    found = [
        _of_record(root, name, store) if own else {}
        for name, own in zip(records["id"], records["source"] == source, strict=True)
    ]
    if not any(found):
        held = ", ".join(sorted(set(records["source"])))
        raise InputError(
            f"{folder}: has no marks of any record of {store.folder}, which holds {held}, not "
            f"{source}, or its files {root / '1.i'}, … are missing; give LUDB's folder"
        )
    return found


def _of_record(root: Path, name: str, store: Store) -> OfLeads:
    files = {lead: root / f"{name}.{lead.lower()}" for lead in store.made.leads}
    files = {lead: file for lead, file in files.items() if file.is_file()}
    if not files:
        return {}
    header = read_header(root / f"{name}.hea")
    if header.samples is None:
        raise InputError(f"{root / name}.hea: does not state the record's length; add it")
    # Longer records are cropped to their middle when they are prepared.
    samples = resampled_length(header.samples, header.rate, store.made.rate)
    start = (samples - store.made.samples) // 2 / store.made.rate
    return {
        lead: _delineation(read_marks(file), header.rate, file).earlier(start)
        for lead, file in files.items()
    }


def _delineation(marks: Marks, rate: float, file: Path) -> Delineation:
    strange = set(marks.symbols) - {*SYMBOLS, "(", ")"}
    if strange:
        raise InputError(
            f"{file}: marks {', '.join(sorted(strange))} beside ( ) {' '.join(SYMBOLS)}; "
            "give files of LUDB's layout"
        )
    if not marks.symbols:
        return nothing_known()
    peaks = [place for place, symbol in enumerate(marks.symbols) if symbol in SYMBOLS]
    symbols, time = ["", *marks.symbols, ""], marks.samples / rate
    around = np.concatenate([[-np.inf], time, [np.inf]])
    # Where a boundary is missing, the mark beside the peak is the neighbouring wave's.
    kinds = [
        SYMBOLS[marks.symbols[k]] if (symbols[k], symbols[k + 2]) == ("(", ")") else UNKNOWN
        for k in peaks
    ]
    onsets, offsets = around[peaks], around[[k + 2 for k in peaks]]
    return Delineation(
        np.array([UNKNOWN, *kinds, UNKNOWN], np.int8),
        np.concatenate([[-np.inf], onsets, time[-1:]]),
        np.concatenate([time[:1], offsets, [np.inf]]),
    )
