"""Delineation from every layer of ecg-nano, against the simulator's own truth.

    python docs/experiments/delineation.py OUT [RECORDS]

In contrast to LUDB's layout, every wave of a record is known to its first and last second, and a
patient's records share a fold. OUT gets the store, and a `delineation.json` for the encoder and for
its random weights; `myocard report OUT/delineation` draws them.
"""

import sys
from pathlib import Path

from myocard.cli.progress import shown
from myocard.data.preparation import Wanted, prepare
from myocard.evaluation.delineation import delineate
from myocard.models.checkpoint import load_encoder
from myocard.simulation import entries, simulate

SEED = 3


def main(out: Path, records: int) -> None:
    """Prepare, simulate the truth of each record, and delineate."""
    encoder = load_encoder(Path("ecg-nano"))
    expected = encoder.input
    wanted = Wanted(expected.rate, 10.0, expected.leads, expected.band)
    store = prepare(entries(records, SEED), out / "store", wanted, source="simulator", jobs=1)
    numbers = [int(name[1:]) for name in store.records["id"]]
    hearts = [simulate(SEED, number, rate=50).delineation for number in numbers]
    waves = [dict.fromkeys(expected.leads, heart) for heart in hearts]
    with shown() as progress:
        for each in (encoder, encoder.randomised(0)):
            folder = out / "delineation" / each.info.name
            print(delineate(each, store, waves, folder, test=True, progress=progress))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 600)
