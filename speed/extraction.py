"""Time the states of every layer against the field's way: a plain pass for each layer.

    MYOCARD_DATA=../shared/data python speed/extraction.py [NAME …]

A plain pass takes all records as one batch on all threads, and keeps no layer; ours pools all
layers of 8 records on each thread, as `extract` does, or gives all tokens of all layers in float16,
as readouts of tokens read them. They take turns in one process; a ratio is of the medians.
Published architectures have their true sizes and random weights. FLOPs count the matrix products of
the blocks of our own.
"""

import resource
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from myocard.data.corpora import trained_on_nothing
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder, joined_states
from myocard.evaluation.probing.stream import look
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.readouts.tokens import View
from myocard.recipe import PRESETS
from myocard.training.threads import a_thread_each

sys.path.append(str(Path(__file__).parents[1] / "docs" / "experiments"))
from true_sizes import SIZES, of_true_size

REPEATS, BATCH = 3, 8
OURS = {
    f"{preset} {size}": (preset, size)
    for size in ("nano", "tiny", "small", "base")
    for preset in PRESETS
}


def ours(preset: str, size: str) -> MyocardEncoder:
    expected, patch = PRESETS[preset]
    shape = EncoderShape.of_size(size, samples=expected.samples, patch=patch)
    return MyocardEncoder(size, Encoder(shape).eval(), expected, trained_on_nothing())


def encoders(names: list[str]) -> Iterator[tuple[str, int, ECGEncoder]]:
    """Yield names, how many records are timed, and encoders."""
    for name in names or [*OURS, *SIZES]:
        if name in OURS:
            yield name, 64 if name.endswith(("nano", "tiny")) else 16, ours(*OURS[name])
        else:
            yield name, 16, of_true_size(name)


def gigaflops(encoder: MyocardEncoder) -> float:
    """Billions of floating-point operations of one record's pass."""
    shape, leads = encoder.network.shape, len(encoder.input.leads)
    tokens = leads * (encoder.input.samples // shape.patch + 2)
    width = shape.width
    return 2e-9 * shape.depth * (12 * width**2 * tokens + 2 * tokens**2 * width)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def timed(encoder: ECGEncoder, records: int) -> list[float]:
    """Median seconds of a plain pass, of pooled states and, if all are alike, of tokens."""
    signals = torch.randn(records, len(encoder.input.leads), encoder.input.samples)

    @torch.inference_mode()
    def plain() -> None:
        deque(encoder.hidden_states(signals), maxlen=0)

    @torch.inference_mode()
    def pooled(some: torch.Tensor) -> torch.Tensor:
        return joined_states(encoder, some)

    view = View(range(len(encoder.layers)), "tokens")

    @torch.inference_mode()
    def tokens(some: torch.Tensor) -> torch.Tensor:
        return look(encoder, some, [view])[view].half()

    def by_thread(work: Callable[[torch.Tensor], torch.Tensor]) -> None:
        deque(a_thread_each(work, signals.split(BATCH), torch.get_num_threads()), maxlen=0)

    alike = len({layer.width for layer in encoder.layers}) == 1
    ways = [plain, partial(by_thread, pooled), *[partial(by_thread, tokens)] * alike]
    for way in ways:
        way()
    rounds = [[seconds(way) for way in ways] for _ in range(REPEATS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def main() -> None:
    print(f"{torch.get_num_threads()} threads, fp32, medians of {REPEATS}; ms a record")
    print("encoder               layers    plain   pooled   tokens  to a pass a layer  GFLOP/s")
    for name, records, encoder in encoders(sys.argv[1:]):
        times = timed(encoder, records)
        layers, rate = len(encoder.layers), ""
        if isinstance(encoder, MyocardEncoder):
            rate = f"{records * gigaflops(encoder) / times[1]:8.0f}"
        told = "".join(f"{1e3 * each / records:9.1f}" for each in times)
        print(
            f"{name:22} {layers:5} {told:27} {layers * times[0] / times[1]:15.1f} × {rate}",
            flush=True,
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
