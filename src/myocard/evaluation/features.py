"""One pass of a frozen encoder over a store: the pooled states of every layer, kept on disk.

Thirteen vectors a record, about 20 kB for the base size. Everything that is trained on a frozen
encoder reads them.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from myocard.data.batches import Part, Windows, in_order
from myocard.data.leaks import seen
from myocard.data.store import Store, read_mapped
from myocard.errors import InputError
from myocard.files.atomic import DONE, clear, replace_file, replace_folder, restore, workplace
from myocard.files.manifest import FEATURES
from myocard.files.tables import read_parquet
from myocard.models.checkpoint import Checkpoint, load_weights, read_weights
from myocard.training import devices

PART = 256
"""Records whose states are a file of their own until all are there: what a stop can cost."""
_COLUMNS = ("id", "patient", "fold", "codes", "source", "sha256", "fingerprint", "seen")


@dataclass(frozen=True, eq=False)
class Features:
    """Cached states of a store's records under one encoder.

    Attributes:
        folder: Where they lie.
        states: ``(records, layers, width)`` float16, or ``(records, layers, leads, width)``; layer
            0 is the embedding.
        records: Rows of the store, and ``seen``: how and as which record the encoder was trained on
            it, in words; empty where it was not.
        about: Name, key and origin of the encoder, key of the store, stated input.
    """

    folder: Path
    states: NDArray[np.float16]
    records: pd.DataFrame
    about: dict[str, Any] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> "Features":
        """Open the features in ``folder``.

        Raises:
            InputError: When they are not there or not whole.
        """
        about = FEATURES.read(folder, ("records.parquet", "norm.safetensors"))
        records = read_parquet(folder / "records.parquet", _COLUMNS, FEATURES.fix)
        # Copy on write, and nobody writes: torch takes no array that is read-only.
        states = read_mapped(folder / "states.npy", FEATURES.fix, mode="c")
        if states.ndim not in (3, 4) or states.dtype != np.float16 or len(states) != len(records):
            raise InputError(
                f"{folder}: states of {states.dtype} {states.shape} do not fit {len(records)} "
                f"records; {FEATURES.fix}"
            )
        return cls(folder, states, records, about)

    @property
    def depth(self) -> int:
        """The number of blocks, L; there are L+1 states."""
        return self.states.shape[1] - 1

    @cached_property
    def norm(self) -> nn.LayerNorm:
        """The encoder's final norm, which readouts apply."""
        norm = nn.LayerNorm(self.states.shape[-1])
        path = self.folder / "norm.safetensors"
        load_weights(norm, read_weights(path, FEATURES.fix), "", path)
        return norm.requires_grad_(requires_grad=False)


def extract(
    checkpoint: Checkpoint,
    store: Store,
    out: Path,
    *,
    by_lead: bool = False,
    batch: int = 64,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Run the encoder once over every record of ``store`` and keep each layer's pooled states.

    A cache that is there already, of the same encoder, input and store, is opened and not made
    again; one that was stopped is taken up again. Processes that ``torchrun`` started share the
    records.

    Args:
        by_lead: Pool over the patches of each lead, and keep the leads apart.
        report: Called with how many of this process's records are done, and how many there are.

    Raises:
        InputError: When the store does not meet the encoder's input, or ``out`` holds other
            features, or a run to it that was stopped was to make others.
    """
    about = {
        "name": checkpoint.name,
        "encoder": checkpoint.key,
        "store": store.key,
        "preprocessing": asdict(checkpoint.preprocessing),
        "by_lead": by_lead,
        "about": checkpoint.about,
    }
    about = json.loads(json.dumps(about, default=str))
    work = out.with_name(f"{out.name}.partial")
    if devices.is_first():
        restore(out)
        clear(work)
    if out.exists():
        found = Features.open(out)
        _require_same(found.about, about, out)
        return found
    store.require(checkpoint.preprocessing)

    def write(folder: Path) -> None:
        _join(parts, folder / "states.npy")
        records = store.records.drop(columns=["scale", "flags"])
        records.assign(seen=seen(checkpoint.corpus, records)).to_parquet(folder / "records.parquet")
        save_file(checkpoint.encoder.norm.state_dict(), folder / "norm.safetensors")
        FEATURES.write(folder, about, ("states.npy", "records.parquet", "norm.safetensors"))
        (work / DONE).touch()

    fabric = devices.fabric()
    with workplace(work) if fabric.is_global_zero else nullcontext():
        with fabric.rank_zero_first():
            _claim(work / "claim.json", about)
        parts = _write_parts(fabric, checkpoint, store, work, by_lead, batch, report)
        fabric.barrier()
        if fabric.is_global_zero:
            replace_folder(out, write)
        fabric.barrier()
    return Features.open(out)


def _claim(path: Path, about: dict[str, Any]) -> None:
    if path.exists():
        _require_same(json.loads(path.read_text()), about, path.parent)
    else:
        replace_file(path, lambda fresh: fresh.write_text(json.dumps(about)))


def _require_same(found: dict[str, Any], wanted: dict[str, Any], folder: Path) -> None:
    if found != wanted:
        raise InputError(
            f"{folder}: holds features of another encoder or store; choose another folder"
        )


@torch.inference_mode()
def _write_parts(
    fabric: Fabric,
    checkpoint: Checkpoint,
    store: Store,
    work: Path,
    by_lead: bool,
    batch: int,
    report: Callable[[int, int], None],
) -> list[Path]:
    """Make the parts that are not there yet, every process its own; all parts, in order."""
    encoder, leads = checkpoint.encoder.to(fabric.device), checkpoint.preprocessing.leads
    pool = encoder.pooled_by_lead if by_lead else encoder.pooled
    starts = range(0, len(store.records), PART)
    chunks = [np.arange(start, min(start + PART, len(store.records))) for start in starts]
    parts = [work / f"part-{i:06d}.npy" for i in range(len(chunks))]
    mine = list(zip(chunks, parts, strict=True))[fabric.global_rank :: fabric.world_size]
    done, total = 0, sum(len(rows) for rows, _ in mine)
    for rows, part in mine:
        if not part.exists():
            made: list[NDArray[np.float32]] = []
            for signals in in_order(Windows([Part(store, rows)], checkpoint.preprocessing), batch):
                made.append(pool(signals.to(fabric.device), leads).cpu().numpy())
                report(done + sum(map(len, made)), total)
            replace_file(part, partial(_save, states=np.concatenate(made).astype("<f2")))
        done += len(rows)
        report(done, total)
    return parts


def _save(path: Path, states: NDArray[np.float16]) -> None:
    np.save(path, states, allow_pickle=False)


def _join(parts: Sequence[Path], path: Path) -> None:
    """Write the arrays of ``parts`` one after the other, of which one at a time is in memory."""
    first, count = np.load(parts[0], mmap_mode="r"), 0
    for part in parts:
        count += len(np.load(part, mmap_mode="r"))
    # Written and not mapped: a full disk is an error then, and in a map the end of the process.
    with path.open("wb") as file:
        shape = (count, *first.shape[1:])
        write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for part in parts:
            file.write(np.load(part).tobytes())
