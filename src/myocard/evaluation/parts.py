"""Pooled states of a store, encoded in parts that a stopped pass does not make again."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from torch import Tensor

from myocard.data.batches import Part, Windows
from myocard.data.store import Store
from myocard.encoders import protocol
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError
from myocard.evaluation.passes import passes
from myocard.files.atomic import replace_file

PART = 256
"""Records in a part: what a stop can cost."""


def encode_parts(
    fabric: Fabric,
    encoder: ECGEncoder,
    store: Store,
    work: Path,
    batch: int | None,
    progress: partial[None],
) -> list[Path]:
    """Make the parts that are missing, each process its own.

    Args:
        fabric: The processes that share the records.
        encoder: The encoder.
        store: The records.
        work: The folder of parts.
        batch: Records in one forward pass, as ``extract`` takes them.
        progress: Called after every batch with the records of this process that are done, and all.

    Returns:
        All parts, in order: arrays of states in half precision.

    Raises:
        InputError: When a state is not finite, or too large for half precision.
    """

    @torch.inference_mode()
    def pooled(signals: Tensor) -> NDArray[np.float32]:
        return protocol.joined_states(encoder, signals).float().cpu().numpy()

    starts = range(0, len(store.records), PART)
    chunks = [np.arange(start, min(start + PART, len(store.records))) for start in starts]
    parts = [work / f"part-{i:06d}.npy" for i in range(len(chunks))]
    own = list(zip(chunks, parts, strict=True))[fabric.global_rank :: fabric.world_size]
    done, total = 0, sum(len(rows) for rows, _ in own)
    for rows, part in own:
        if part.exists():
            progress(done + len(rows), total)
        else:
            states: list[NDArray[np.float32]] = []
            windows = Windows([Part(store, rows)], encoder.input)
            for of_batch in passes(encoder, windows, pooled, device=fabric.device, batch=batch):
                states.append(of_batch)
                progress(done + sum(map(len, states)), total)
            whole = _halved(np.concatenate(states), encoder)
            replace_file(part, partial(np.save, arr=whole, allow_pickle=False))
        done += len(rows)
    return parts


def _halved(states: NDArray[np.float32], encoder: ECGEncoder) -> NDArray[np.float16]:
    """Return states in half precision.

    Raises:
        InputError: When a value is not finite or too large for it, naming its layer.
    """
    with np.errstate(over="ignore"):
        halved = states.astype("<f2")
    strange = ~np.isfinite(halved.reshape(len(halved), -1)).all(axis=0)
    if strange.any():
        columns = [layer.name for layer in encoder.layers for _ in range(layer.width)]
        raise InputError(
            f"{encoder.info.name}: states of {columns[strange.argmax()]} are not finite, or beyond "
            "65,504, the most that is kept; see to its weights and its input"
        )
    return halved


def join_parts(parts: Sequence[Path], path: Path) -> None:
    """Write the arrays of ``parts`` one after the other, with one at a time in memory."""
    first = np.load(parts[0], mmap_mode="r")
    count = sum(len(np.load(part, mmap_mode="r")) for part in parts)
    # Written and not mapped: a full disk is then an error, not the end of the process.
    with path.open("wb") as file:
        shape = (count, *first.shape[1:])
        write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for part in parts:
            file.write(np.load(part).tobytes())
