"""Compare how much faster this code is than a reference with what was kept, to find regressions.

    python speed/ratios.py           # measures, compares with ratios.json, exit code 1 if slower
    python speed/ratios.py --keep    # measures, and keeps

Reference and ours take turns on one thread, and their CPU time is taken, so that a ratio hardly
depends on the machine and on what else it does. Of each pair, the median of the rounds counts, and
their interquartile range says how sure it is: slower is what has fallen by more than a fifth, and
by more than both ranges together.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from extraction import last_layer
from pretraining import contestants as objectives
from pretraining import stepper
from reading import contestants as ways_of_reading
from reading import milliseconds

from myocard.data.corpora import PretrainedOn
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import pooled_states
from myocard.evaluation.probing.solving import solve
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import PRESETS

KEPT = Path(__file__).with_name("ratios.json")
ROUNDS = 9
LARGEST_FALL = 0.2
Pair = tuple[Callable[[], float], Callable[[], float]]
"""The reference and ours: each does its work, and returns the milliseconds that it took."""


def pairs_of_reading(folder: Path) -> dict[str, Pair]:
    found = ways_of_reading(folder)
    timed = {name: partial(milliseconds, *how) for name, how in found.items()}
    return {
        "a record read: wfdb / ours": (timed["wfdb reads"], timed["we read"]),
        "resampled and filtered: SciPy / ours": (timed["resample, sosfiltfilt"], timed["conform"]),
        "WFDB to store: published / ours": (timed["published record"], timed["prepare stmem"]),
        "store to batch: published / ours": (timed["published item"], timed["item of a batch"]),
    }


def pairs_of_networks() -> dict[str, Pair]:
    expected, patch = PRESETS["ecgsoup"]
    network = Encoder(EncoderShape.of_size("tiny", samples=expected.samples, patch=patch)).eval()
    encoder = MyocardEncoder("tiny", network, expected, PretrainedOn())
    signals = torch.randn(4, 12, expected.samples)
    both = {
        name: partial(milliseconds, stepper(model, signals, half=False), 1)
        for name, model in objectives(network, "tiny").items()
    }

    def without_gradients(work: Callable[..., object]) -> Callable[[], float]:
        return torch.inference_mode()(lambda: milliseconds(lambda: work(encoder, signals), 1))

    return {
        "states: last layer / all layers": tuple(
            map(without_gradients, (last_layer, pooled_states))
        ),
        "step of pretraining: papers' decoder / hidden": (both["papers"], both["hidden"]),
    }


def pair_of_probes() -> dict[str, Pair]:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    states = rng.normal(size=(4000, 192)).astype(np.float32)
    targets = (states[:, :5] + rng.normal(size=(4000, 5)) > 1).astype(np.float32)

    def theirs() -> None:
        for column in targets.T:
            LogisticRegression(C=1 / (len(states) * 1e-2), max_iter=1000).fit(states, column)

    def ours() -> None:
        solve(torch.from_numpy(states), torch.from_numpy(targets), [1e-2], outcome="any")

    pair = partial(milliseconds, theirs, 1), partial(milliseconds, ours, 1)
    return {"a linear probe: scikit-learn / ours": pair}


def measured(pairs: dict[str, Pair]) -> dict[str, tuple[float, float]]:
    """Median and interquartile range of each pair's ratio; a first round warms up."""
    rounds = [
        {name: theirs() / ours() for name, (theirs, ours) in pairs.items()}
        for _ in range(ROUNDS + 1)
    ]
    found = {}
    for name in pairs:
        low, middle, high = np.quantile([each[name] for each in rounds[1:]], (0.25, 0.5, 0.75))
        found[name] = round(float(middle), 2), round(float(high - low), 2)
    return found


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pairs = pairs_of_reading(Path(folder)) | pairs_of_networks() | pair_of_probes()
        found = measured(pairs)
    if "--keep" in sys.argv[1:]:
        KEPT.write_text(json.dumps(found, indent=2) + "\n")
    kept = json.loads(KEPT.read_text())
    slower = []
    print("| ratio | kept | now | |\n|---|---|---|---|")
    for name, (middle, spread) in found.items():
        before, noise = kept[name]
        fell = before - middle > max(LARGEST_FALL * before, spread + noise)
        slower += [name] if fell else []
        print(f"| {name} | {before} ± {noise} | {middle} ± {spread} | {'slower' if fell else ''} |")
    sys.exit(bool(slower))


if __name__ == "__main__":
    main()
