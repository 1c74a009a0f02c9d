"""Passes of a frozen encoder over windows, as many side by side as the machine computes fastest."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from myocard.data.batches import Windows, in_order
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder
from myocard.encoders.published import PublishedEncoder
from myocard.training.threads import a_thread_each

_BATCH, _BATCH_OF_THREAD = 64, 8

Result = TypeVar("Result")


def passes(
    encoder: ECGEncoder,
    windows: Windows,
    work: Callable[[Tensor], Result],
    *,
    device: torch.device,
    batch: int | None = None,
) -> Iterator[Result]:
    """Yield what ``work`` makes of each batch of signals, in order.

    Args:
        encoder: The encoder that ``work`` calls; it is moved to ``device``.
        windows: The signals.
        work: Takes signals on ``device``; gradients are not recorded.
        device: Where to compute.
        batch: Records in one pass. By default 8, the fastest on a thread of a CPU, each of which
            has a batch of its own, and 64 elsewhere.
    """
    encoder.network.to(device)

    @torch.no_grad()
    def done(signals: Tensor) -> Result:
        return work(signals.to(device))

    # Another's network may keep something of one pass that the next would overwrite.
    if device.type == "cpu" and isinstance(encoder, MyocardEncoder | PublishedEncoder):
        batches = in_order(windows, batch or _BATCH_OF_THREAD)
        return a_thread_each(done, batches, torch.get_num_threads())
    return map(done, in_order(windows, batch or _BATCH))
