"""An explanation of a record that is known to the last sample, for the tests of its page."""

import numpy as np

from myocard.leads import LEADS
from myocard.record import Facts, Record
from myocard.results.classifier import ClassifierShape, SplitInfo
from myocard.results.decision import Basis, Decision
from myocard.results.explanation import Attribution, Explanation, Neighbour, Neighbours
from myocard.results.reference import LayerQuantiles, Reference
from myocard.results.run import EncoderInfo

RATE, SECONDS, LAYERS = 500, 10, 5
PULSE = (1.0, 1.2)
"""Begin and end, in s, of a pulse of 1 mV in lead II; others have half of it."""
CLASSES = ("CD", "MI", "NORM")


def record() -> Record:
    """Twelve leads at 500 Hz, each a pulse of 200 ms on a flat line."""
    signal = np.zeros((12, RATE * SECONDS), np.float32)
    start, stop = (round(RATE * at) for at in PULSE)
    signal[:, start:stop] = 0.5
    signal[LEADS.index("II"), start:stop] = 1.0
    return Record.from_array(signal, RATE, LEADS, "mV")


def attribution(seed: int = 0) -> Attribution:
    draws = np.random.default_rng(seed)
    gradients = draws.normal(size=(3, 12, 50))
    occlusion = gradients.reshape(3, 12, 25, 2).sum(axis=3) + 0.3 * draws.normal(size=(3, 12, 25))
    flattened = np.array([0.5, 0.2, -1.0])
    return Attribution(
        leads=LEADS,
        edges=np.linspace(0, SECONDS, 51),
        outputs=(2, 0, 1),
        answers=flattened + gradients.sum(axis=(1, 2)),
        flattened=flattened,
        gradients=gradients,
        occlusion=occlusion,
        randomised=draws.normal(size=(12, 50)),
    )


def decision() -> Decision:
    splits = {
        name: SplitInfo(folds=(fold,), records=40, patients=30)
        for fold, name in enumerate(("train", "validation", "test"), 8)
    }
    return Decision(
        outcome="any",
        classes=CLASSES,
        temperature=1.5,
        thresholds=(0.5, 0.3, 0.52),
        coverage=0.8,
        yes_from=(0.45, 0.47, 0.4),
        no_to=(0.55, 0.5, 0.6),
        basis=Basis(source="sim", tested_on="sim", splits=splits, metric="auroc"),
    )


def explanation(name: str = "00042_hr") -> Explanation:
    draws = np.random.default_rng(1)
    shares = tuple(tuple(np.sort(draws.random(LAYERS)).tolist()) for _ in range(5))
    return Explanation(
        name=name,
        record=Record(**{**vars(record()), "facts": Facts(age=61.0, sex="F")}),
        seconds=SECONDS,
        encoder=EncoderInfo(name="tiny", hash="0" * 64, layers=LAYERS, width=12),
        shape=ClassifierShape(
            task="superdiagnostic", classes=CLASSES, readout="pma", head="linear"
        ),
        decision=decision(),
        layers=("embedding", "block 1", "block 2", "block 3", "block 4"),
        scores=np.array([0.2, 0.35, 0.9], np.float32),
        weights=np.array([0.0, 0.1, 0.5, 0.3, 0.1], np.float32),
        reference=Reference(
            metric="auroc",
            weights=LayerQuantiles(records=40, shares=shares),
        ),
        single=draws.random((LAYERS, 3)),
        attribution=attribution(),
        neighbours=Neighbours(2, 940, (Neighbour(0.93, "NORM"), Neighbour(0.9, "MI, CD"))),
    )
