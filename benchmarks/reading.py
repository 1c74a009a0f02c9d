"""How fast are WFDB records read? Our reader against the wfdb package, and the whole of `prepare`.

    .venv/bin/python benchmarks/reading.py

Records are simulated in PTB-XL's layout: 12 leads, 5000 samples, format 16. One process, files in
the page cache.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import wfdb

from myocard.data.formats import read_wfdb
from myocard.data.signal import conform
from myocard.data.sources import entries, simulator
from myocard.preparation import Wanted, prepare
from myocard.recipe import PRESETS

RECORDS = 300


def milliseconds(work: Callable[[Path], object], stems: Sequence[Path]) -> float:
    began = time.perf_counter()
    for stem in stems:
        work(stem)
    return 1e3 * (time.perf_counter() - began) / len(stems)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records"
        simulator.write(records, "ptbxl", count=RECORDS)
        stems = [p.with_suffix("") for p in sorted(records.glob("records500/*/*.hea"))]
        ours = min(milliseconds(read_wfdb, stems) for _ in range(3))
        theirs = min(milliseconds(lambda s: wfdb.rdrecord(str(s)), stems) for _ in range(3))
        print(f"read a record: {ours:.2f} ms; wfdb {theirs:.2f} ms; ratio {theirs / ours:.1f}")
        record = read_wfdb(stems[0])
        for preset, (stated, _) in PRESETS.items():
            made = milliseconds(
                lambda _, stated=stated: conform(
                    record.signal, record.rate, stated.rate, stated.band
                ),
                stems,
            )
            wanted = Wanted(stated.rate, 10.0, stated.leads, stated.band)
            found = entries("ptbxl-500", records)
            began = time.perf_counter()
            prepare(found, Path(folder) / preset, wanted, source="simulated", jobs=1)
            whole = 1e3 * (time.perf_counter() - began) / RECORDS
            print(
                f"{preset}: resample and filter {made:.2f} ms, prepare {whole:.2f} ms a record "
                f"({1e3 / whole:.0f} records/s on one core)"
            )


if __name__ == "__main__":
    main()
