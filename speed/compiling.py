"""Measure what `torch.compile` gains in pretraining, and after how many steps it has paid.

    python speed/compiling.py [size …]

The model takes turns with itself compiled, on one batch; times are the least of several. The first
call, which compiles, is apart.
"""

import sys

import torch
from pretraining import BATCHES, REPEATS, contestants, seconds, stepper

from myocard.leads import LEADS
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import PRESETS


def main(sizes: list[str]) -> None:
    print(f"{torch.get_num_threads()} threads, fp32, least of {REPEATS}")
    print("size   batch  first call s  compiled ms/step  ms/step  paid after steps")
    expected, patch = PRESETS["ecgsoup"]
    for size in sizes:
        encoder = Encoder(EncoderShape.of_size(size, samples=expected.samples, patch=patch))
        model = contestants(encoder, size)["full"]
        signals = torch.randn(BATCHES[size], len(LEADS), expected.samples)
        plain = stepper(model, signals, half=False)
        compiled = stepper(torch.compile(model), signals, half=False)
        plain()
        first = seconds(compiled)
        turns = [(seconds(compiled), seconds(plain)) for _ in range(REPEATS + 1)]
        with_it, without = (min(each[1:]) for each in zip(*turns, strict=True))
        gain = without - with_it
        paid = f"{first / gain:16.0f}" if gain > 0 else "           never"
        print(
            f"{size:5} {len(signals):6} {first:13.1f} {1e3 * with_it:17.0f} {1e3 * without:8.0f}  "
            f"{paid}"
        )


if __name__ == "__main__":
    main(sys.argv[1:] or list(BATCHES))
