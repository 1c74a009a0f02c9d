"""Time clinical files, read and on their way into a store, one core.

    MYOCARD_DATA=../shared/data .venv/bin/python speed/clinical.py

Files are written by the tests' writers from simulated records: 10 s at 500 Hz, as each format keeps
them. Files of hospitals are copied, where ``MYOCARD_DATA`` is set. A store is filtered, at 250 Hz.
Of all rounds, the one of least CPU time counts.
"""

import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "data" / "formats"))

import numpy as np
from writing.aecg import aecg
from writing.dicom import dicom, group
from writing.muse import muse
from writing.schiller import schiller
from writing.scp import scp, scp_sections
from writing.sierra import sierra

from myocard.data.formats.reading import read
from myocard.data.preparation import prepare_folder
from myocard.data.preparation.identity import Policy
from myocard.data.signal import Band, Preprocessing
from myocard.leads import LEADS
from myocard.simulation import simulate

FILES, ROUNDS = 300, 3
INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
INPUT = Preprocessing(250, 2250, LEADS, Band(0.67, 40.0))
Counts = dict[str, np.ndarray]


def counts(seed: int, leads: tuple[str, ...]) -> Counts:
    """Whole numbers of 5 uV."""
    signal = simulate(seed, 0, rate=500).record.select(leads).signal
    return dict(zip(leads, np.rint(signal / 0.005).astype(np.int64), strict=True))


WRITERS: dict[str, tuple[str, tuple[str, ...], Callable[[Counts], bytes]]] = {
    "GE MUSE XML": (".xml", INDEPENDENT, muse),
    "HL7 aECG": (".xml", LEADS, aecg),
    "DICOM": (".dcm", LEADS, lambda leads: dicom([group(leads)])),
    "Philips Sierra XML": (".xml", LEADS, sierra),
    "Schiller XML": (".xml", LEADS, schiller),
    "SCP-ECG": (".scp", INDEPENDENT, lambda leads: scp(scp_sections(leads))),
}


def folders(root: Path) -> Iterator[tuple[str, Path]]:
    """Yield a name and a folder of files."""
    for name, (ending, leads, write) in WRITERS.items():
        folder = root / name
        folder.mkdir()
        for number in range(FILES):
            (folder / f"{number}{ending}").write_bytes(write(counts(number, leads)))
        yield name, folder
    hospitals = Path(os.environ.get("MYOCARD_DATA", "nowhere")) / "clinical"
    for path in sorted(hospitals.glob("[adm]*/*.[xd][mc][lm]")):
        folder = root / path.stem
        folder.mkdir()
        for number in range(FILES):
            shutil.copy(path, folder / f"{number}{path.suffix}")
        yield path.name, folder


def most(work: Callable[[], None]) -> float:
    """Files a second of the fastest round."""
    taken = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return FILES / min(taken)


def reading(files: list[Path]) -> None:
    for file in files:
        read(file)


def storing(folder: Path, store: Path) -> None:
    shutil.rmtree(store, ignore_errors=True)
    policy = Policy("a salt for timing")
    prepare_folder(
        "files", folder, store, INPUT, seconds=9, allow=("duplicate",), jobs=1, policy=policy
    )


def main() -> None:
    logging.disable()
    print(f"{'records/s of one core':36}{'read':>10}{'to store':>10}")
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for name, folder in folders(root):
            read_all = partial(reading, list(folder.iterdir()))
            prepare_all = partial(storing, folder, root / "store")
            print(f"{name:36}{most(read_all):10.0f}{most(prepare_all):10.0f}")


if __name__ == "__main__":
    main()
