"""Time pooled states of every layer against one plain forward pass.

    .venv/bin/python speed/extraction.py

Both run on the same batch, in turn, in one process; the ratio is of the medians. A plain forward
keeps the last layer alone. FLOPs count the matrix products of the blocks.
"""

import resource
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch

from myocard.data.corpora import PretrainedOn
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import pooled_states
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import PRESETS

BATCH, REPEATS = 16, 7


def flops(shape: EncoderShape, tokens: int) -> float:
    """Floating-point operations of one record's forward pass."""
    width, depth = shape.width, shape.depth
    return 2 * depth * (12 * width**2 * tokens + 2 * tokens**2 * width)


def last_layer(encoder: MyocardEncoder, signals: torch.Tensor) -> torch.Tensor:
    x = encoder.network.tokens(signals, encoder.input.leads)
    for block in encoder.network.blocks:
        x = block(x)
    return encoder.norm(x)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@torch.inference_mode()
def main() -> None:
    print(f"{torch.get_num_threads()} threads, batch {BATCH}, fp32, median of {REPEATS}")
    print("preset   size   plain ms/record  all layers ms/record  ratio  GFLOP/s")
    for preset in ("ecgsoup", "stmem"):
        expected, patch = PRESETS[preset]
        for size in ("tiny", "small"):
            shape = EncoderShape.of_size(size, samples=expected.samples, patch=patch)
            encoder = MyocardEncoder(size, Encoder(shape).eval(), expected, PretrainedOn())
            signals = torch.randn(BATCH, 12, expected.samples)
            tokens = 12 * (expected.samples // patch + 2)

            plain = partial(last_layer, encoder, signals)
            pooled = partial(pooled_states, encoder, signals)
            plain(), pooled()
            pairs = [(seconds(plain), seconds(pooled)) for _ in range(REPEATS)]
            one, all_layers = (statistics.median(column) for column in zip(*pairs, strict=True))
            rate = flops(shape, tokens) * BATCH / one / 1e9
            print(
                f"{preset:8} {size:6} {1e3 * one / BATCH:12.1f} {1e3 * all_layers / BATCH:18.1f} "
                f"{all_layers / one:12.3f} {rate:8.0f}"
            )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
