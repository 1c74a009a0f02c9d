"""Make minirocket.npz with aeon 1.6.0 (BSD-3), in an environment of its own.

python -m venv /tmp/oracle && /tmp/oracle/bin/pip install aeon==1.6.0
/tmp/oracle/bin/python tests/oracles/make_minirocket.py

Signals are multiples of 1/64, so that sums in float32 are exact in any order and no value falls on
the other side of a bias by rounding.
"""

from pathlib import Path

import numpy as np
from aeon.transformations.collection.convolution_based import MiniRocket
from aeon.transformations.collection.convolution_based._minirocket import _fit_dilations

rng = np.random.default_rng(0)
arrays = {}
for name, leads, samples in (("one", 1, 150), ("many", 3, 93)):
    signals = np.round(64 * rng.normal(size=(6, leads, samples)).cumsum(axis=2)) / 64
    rocket = MiniRocket(n_kernels=420, random_state=0).fit(signals[:3])
    often, chosen, dilations, biases_each, biases = rocket.parameters
    mixing = np.zeros((len(often), leads), dtype=np.uint8)
    mixing[np.repeat(np.arange(len(often)), often), chosen] = 1
    arrays |= {
        f"{name}_signals": signals.astype(np.float32),
        f"{name}_mixing": mixing,
        f"{name}_dilations": dilations,
        f"{name}_biases_each": biases_each,
        f"{name}_biases": biases,
        f"{name}_features": rocket.transform(signals),
    }
for samples in (9, 100, 1000, 2250):
    arrays[f"spread_{samples}"] = np.stack(_fit_dilations(samples, 9996, 32))
np.savez_compressed(Path(__file__).with_name("minirocket.npz"), **arrays)
