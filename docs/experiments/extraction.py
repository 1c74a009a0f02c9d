"""Time and memory of one extraction of 256 records, of published models at their true sizes.

    pip install --no-deps openecg opendsp
    .venv/bin/python docs/experiments/extraction.py out docs/results [MODEL …]

Each model runs in a process of its own, on two threads and in batches of 64. One that has a file in
``out`` is not run again, so that a stopped run goes on with the next; models whose weights cannot
be fetched have random ones.
"""

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from true_sizes import SIZES, has_openecg, of_true_size, openecg

from myocard.data.preparation import Wanted, prepare
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder, joined_states
from myocard.evaluation.features import extract
from myocard.leads import LEADS
from myocard.simulation import entries

RECORDS, THREADS = 256, 2


def ratio(encoder: ECGEncoder, store: Store) -> float:
    """Time of every layer pooled over that of a pass that pools the last one.

    It is that of the processor, which other programs change less; the median of five pairs.
    """
    signals = torch.from_numpy(store.windows(range(8), encoder.input))

    def plain() -> None:
        for tokens in encoder.hidden_states(signals):
            last = tokens
        encoder.pool(last)

    def every() -> None:
        joined_states(encoder, signals)

    def seconds(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    with torch.inference_mode():
        plain()
        pairs = [(seconds(plain), seconds(every)) for _ in range(5)]
    return float(np.median([both / last for last, both in pairs]))


def measured(name: str, store: Store) -> dict[str, object]:
    """Extract once, and tell what it took."""
    torch.set_num_threads(THREADS)
    encoder = openecg() if name == "openecg" else of_true_size(name)
    widths = dict.fromkeys(layer.width for layer in encoder.layers)
    with TemporaryDirectory() as place:
        began, used = time.perf_counter(), time.process_time()
        extract(encoder, store, Path(place) / "features")
        seconds, processor = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    torch.set_num_threads(1)  # On one, no thread waits for another.
    return {
        "model": name, "layers": len(encoder.layers), "widths": "-".join(map(str, widths)),
        "parameters": sum(p.numel() for p in encoder.network.parameters()),
        "records": len(store.records), "seconds": round(seconds, 1),
        "processor_seconds": round(processor, 1),
        "peak_gb": round(peak / 2**20, 2),
        "all_layers_over_plain": round(ratio(encoder, store), 3),
    }  # fmt: skip


def main() -> None:
    out, results, names = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    wanted = Wanted(500, 10.0, LEADS)
    store = prepare(entries(RECORDS, 0, rate=500.0), out / "store", wanted, source="simulated")
    every = [*SIZES, *(["openecg"] if has_openecg() else [])]
    for name in names or every:
        line = out / f"{name}.json"
        if not line.exists() and names == [name]:
            line.write_text(json.dumps(measured(name, store)))
        elif not line.exists():
            subprocess.run([sys.executable, __file__, str(out), str(results), name], check=True)
    lines = [json.loads(path.read_text()) for n in every if (path := out / f"{n}.json").exists()]
    table = pd.DataFrame(lines)
    table.to_csv(results / "extraction.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
