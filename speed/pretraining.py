"""Measure what a step of pretraining costs, by decoder, and how much of the machine it uses.

    .venv/bin/python speed/pretraining.py [size …]

The contestants share one encoder and one batch and take turns; times are the least of several, and
include the optimiser. "papers" is the decoder of ST-MEM and ECG-Soup, 256 wide and 4 deep; "full"
the one that a recipe gets, which grows with the encoder; "hidden" that of `decoder = "hidden"`.
FLOPs count the products of matrices, forwards and backwards; the ceiling is a product of two large
matrices, timed in between.
"""

import sys
import time
from collections.abc import Callable

import torch

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.objectives.decoders import Decoder, DecoderShape, HiddenOnly
from myocard.nn.objectives.masked import MaskedAutoencoder, last_layer
from myocard.nn.objectives.masks import visible_count
from myocard.nn.sizes import SIZES
from myocard.recipe import PRESETS
from myocard.training.loop import decay_groups, precision

PAPERS = DecoderShape(256, 4, 4)
BATCHES = {"nano": 16, "tiny": 16, "small": 8, "base": 8}
REPEATS, SIDE = 5, 2048


def attention_and_mlp(tokens: int, width: int, *, asking: int, looked_at: int) -> float:
    """Floating-point operations of one forward pass of a block over ``tokens`` of a sequence."""
    projections = 2 * width**2 * (2 * asking + 2 * tokens + 8 * asking)
    return projections + 4 * asking * looked_at * width


def flops(encoder: Encoder, shape: DecoderShape, *, hidden_only: bool) -> float:
    """Floating-point operations of one record's step, which costs three forward passes."""
    patches = encoder.shape.samples // encoder.shape.patch
    visible = visible_count(patches, 0.75)
    tokens = len(LEADS) * (visible + 2)
    block = attention_and_mlp(tokens, encoder.shape.width, asking=tokens, looked_at=tokens)
    if hidden_only:
        asking, looked_at = patches - visible, visible
    else:
        asking = looked_at = patches + 2
    lead = attention_and_mlp(looked_at, shape.width, asking=asking, looked_at=looked_at)
    return 3 * (encoder.shape.depth * block + len(LEADS) * shape.depth * lead)


def contestants(encoder: Encoder, size: str) -> dict[str, MaskedAutoencoder]:
    shape = DecoderShape(*SIZES[size].decoder)
    decoders = {
        "papers": Decoder(encoder, PAPERS),
        "full": Decoder(encoder, shape),
        "hidden": HiddenOnly(encoder, shape),
    }
    return {
        name: MaskedAutoencoder(encoder, decoder, mixture=last_layer)
        for name, decoder in decoders.items()
    }


def stepper(model: MaskedAutoencoder, signals: torch.Tensor, half: bool) -> Callable[[], None]:
    optimiser = torch.optim.AdamW(decay_groups(model, 0.01), lr=1e-4, fused=True)

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model(signals).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    return step


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main(sizes: list[str]) -> None:
    half = precision("auto") == "bf16"
    square = torch.randn(SIDE, SIDE, dtype=torch.bfloat16 if half else torch.float32)
    print(f"{torch.get_num_threads()} threads, {'bf16' if half else 'fp32'}, least of {REPEATS}")
    print("preset   size  batch  decoder  ms/step  GFLOP/step  GFLOP/s  of the ceiling  speed-up")
    for preset in ("ecgsoup", "stmem"):
        expected, patch = PRESETS[preset]
        for size in sizes:
            encoder = Encoder(EncoderShape.of_size(size, samples=expected.samples, patch=patch))
            signals = torch.randn(BATCHES[size], len(LEADS), expected.samples)
            models = contestants(encoder, size)
            steps = {name: stepper(model, signals, half) for name, model in models.items()}
            steps["ceiling"] = lambda: square @ square
            times: dict[str, list[float]] = {name: [] for name in steps}
            for _ in range(REPEATS + 1):
                for name, step in steps.items():
                    times[name].append(seconds(step))
            least = {name: min(found[1:]) for name, found in times.items()}
            ceiling = 2 * SIDE**3 / least["ceiling"]
            for name in models:
                shape = PAPERS if name == "papers" else DecoderShape(*SIZES[size].decoder)
                count = len(signals) * flops(encoder, shape, hidden_only=name == "hidden")
                rate = count / least[name]
                print(
                    f"{preset:8} {size:5} {len(signals):5}  {name:7} {1e3 * least[name]:8.0f} "
                    f"{count / 1e9:11.1f} {rate / 1e9:8.1f} {rate / ceiling:14.0%} "
                    f"{least['papers'] / least[name]:9.2f}"
                )


if __name__ == "__main__":
    main(sys.argv[1:] or list(BATCHES))
