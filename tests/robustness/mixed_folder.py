"""A hospital's folder of files in every format, good and bad, made into one store.

    .venv/bin/python tests/robustness/mixed_folder.py --files 2000

Every tenth file is cut, spoiled in one byte, empty, or something else under the ending of an ECG.
All others are records of their own, in folders of several depths.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).parent.parent / "data" / "formats"))

from writing.aecg import aecg
from writing.cardiosoft import cardiosoft
from writing.dicom import dicom, group
from writing.edf import ecg, edf
from writing.ishne import ishne
from writing.muse import muse
from writing.schiller import schiller
from writing.scp import scp, scp_sections
from writing.sierra import sierra

from myocard.data.preparation import prepare_folder
from myocard.data.preparation.identity import Policy
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.leads import LEADS
from myocard.simulation import simulate

EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
Counts = Mapping[str, np.ndarray]
WRITERS: dict[str, tuple[tuple[str, ...], Callable[[Counts], bytes]]] = {
    "muse.xml": (EIGHT, lambda leads: muse(leads, step="5")),
    "philips.XML": (LEADS, sierra),
    "trial.xml": (LEADS, aecg),
    "cardiosoft.xml": (LEADS, cardiosoft),
    "schiller.xml": (LEADS, schiller),
    "archive.dcm": (LEADS, lambda leads: dicom([group(leads, step="5")])),
    "holter.scp": (EIGHT, lambda leads: scp(scp_sections(leads))),
    "night.edf": (LEADS, lambda leads: edf(ecg(leads), records=10)),
    "day.ecg": (LEADS, lambda leads: ishne(leads, rate=500)),
}
ENDINGS = ("xml", "dcm", "scp", "edf", "ecg", "npy", "csv", "mat", "hea")


def write(folder: Path, count: int, seed: int = 0) -> list[str]:
    """Write ``count`` files, and return the names of the bad ones."""
    draw = np.random.default_rng(seed)
    names, bad = list(WRITERS), []
    for number in range(count):
        name = names[number % len(names)]
        leads, writer = WRITERS[name]
        place = folder / f"ward {number % 3}" / ("" if number % 2 else "2026")
        path = place / f"{number}-{name}"
        place.mkdir(parents=True, exist_ok=True)
        if number % 10 == 9:
            path = path.with_suffix(f".{ENDINGS[number // 10 % len(ENDINGS)]}")
            path.write_bytes(_bad(draw, number))
            bad.append(path.relative_to(folder).as_posix())
        else:
            signal = simulate(seed, number, rate=500).record.select(leads).signal
            rows = np.rint(signal / 0.005).astype(np.int64)
            path.write_bytes(writer(dict(zip(leads, rows, strict=True))))
    return bad


def _bad(draw: np.random.Generator, number: int) -> bytes:
    good = aecg({lead: np.arange(5000) % 300 for lead in LEADS})
    return (b"", good[: len(good) // 2], draw.bytes(999), b"<html>login</html>")[number // 10 % 4]


def stored(folder: Path, out: Path) -> Store:
    expected = Preprocessing(100, 1000, LEADS)
    return prepare_folder("files", folder, out, expected, policy=Policy("a salt for tests only"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "export"
        bad = write(folder, chosen.files)
        began = time.perf_counter()
        store = stored(folder, Path(place) / "store")
        seconds = time.perf_counter() - began
        quarantine = pd.read_csv(store.folder / "quarantine.csv")
        kept, barred = len(store.records), len(quarantine)
        print(f"{chosen.files} files, {len(bad)} bad: {kept} in the store, {barred} in quarantine")
        kinds = quarantine["path"].str.rpartition("-")[2] + ": " + quarantine["reason"]
        print(kinds.value_counts().to_string(header=False))
        print(f"bad ones in the store: {len(set(bad) & set(store.records['id']))}")
        print(f"{chosen.files / seconds:.0f} files/s")


if __name__ == "__main__":
    main()
