"""Worth of an encoder away from where it was trained: the tables of docs/results.md.

    .venv/bin/myocard benchmark ood-simulated out --test
    .venv/bin/python docs/experiments/hospitals.py out/results

Macro AUROC of the last layer for each encoder, by where its probe was trained and scored, and
paired differences: IPASTMEM minus plain of the same corpus, an encoder of hospital A minus that of
B, and readouts and pretrained encoders against what they should beat. Intervals are 95 % bootstrap
intervals over patients, as in the report; p values are left out, since none is corrected.
"""

import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from myocard.report.compare.pairs import compare
from myocard.results.run import Run
from myocard.results.saved import SavedRun

PLACES = {
    "A to A": "a/leads-12/labels-1",
    "A to B": "b/from-a",
    "B to B": "b/leads-12/labels-1",
    "B to A": "a/from-b",
    "A to Challenge": "challenge/from-a",
    "A to LUDB": "ludb/from-a",
}
CORPORA, MIXTURES, RANDOM = ("a", "b", "both"), ("plain", "ipastmem"), "random-a-plain-0"
TRAINED = [f"{corpus}-{mixture}" for corpus, mixture in product(CORPORA, MIXTURES)]
Side = tuple[str, str]
"""An encoder and a readout."""


def differences() -> Iterator[tuple[str, Side, Side]]:
    for corpus, readout in product(CORPORA, ("last", "ppa", "scalar-mix", "pma")):
        name = f"{corpus}, IPASTMEM − plain, {readout}"
        yield name, (f"{corpus}-ipastmem", readout), (f"{corpus}-plain", readout)
    for mixture, readout in product(MIXTURES, ("last", "pma")):
        yield f"A − B, {mixture}, {readout}", (f"a-{mixture}", readout), (f"b-{mixture}", readout)
    for encoder, other in product(TRAINED, ("last", "scalar-mix")):
        yield f"{encoder}, PMA − {other}", (encoder, "pma"), (encoder, other)
    for encoder in TRAINED:
        yield f"{encoder} − random weights", (encoder, "last"), (RANDOM, "last")


def table(results: Path, task: str) -> None:
    places = {n: p for n, p in PLACES.items() if (results / p / TRAINED[0] / task).exists()}

    def run(place: str, side: Side) -> SavedRun:
        encoder, readout = side
        folder = results / place / encoder / task / f"{readout}-linear"
        return SavedRun(folder, str(folder), Run.read(folder))

    print(f"\n| {task} | {' | '.join(places)} |\n|{'---|' * (len(places) + 1)}")
    for encoder in (*TRAINED, RANDOM):
        scored = [run(place, (encoder, "last")).info.test for place in places.values()]
        cells = [m.auroc.macro for m in scored if m is not None]
        told = [f"{c.value:.3f} [{c.low:.3f}, {c.high:.3f}]" for c in cells]
        print(f"| {encoder} | {' | '.join(told)} |", flush=True)
    for name, one, other in differences():
        found = [compare(run(p, one), run(p, other), "test") for p in places.values()]
        told = [f"{d.difference:+.3f} [{d.low:+.3f}, {d.high:+.3f}]" for d in found if d]
        print(f"| {name} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    for task in ("superdiagnostic", "snomed-26"):
        table(Path(sys.argv[1]), task)
