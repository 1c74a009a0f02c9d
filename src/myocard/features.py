"""One pass of a frozen encoder over a store: the pooled states of every layer, kept on disk.

Thirteen vectors a record, about 20 kB for the base size. Everything that is trained on a frozen
encoder reads them.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import nn

from myocard.checkpoint import Checkpoint
from myocard.data.batches import Part, Windows, in_order
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.folders import replace_folder
from myocard.leaks import seen

FORMAT = 1


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
        try:
            about = json.loads((folder / "features.json").read_text())
            records = pd.read_parquet(folder / "records.parquet")
            # Copy on write, and nobody writes: torch takes no array that is read-only.
            states = np.load(folder / "states.npy", mmap_mode="c", allow_pickle=False)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{folder}: not readable features ({error}); make them with `myocard extract`"
            ) from error
        if about.get("format") != FORMAT or len(states) != len(records):
            raise InputError(f"{folder}: features of another format; extract them again")
        return cls(folder, states, records, about)

    @property
    def depth(self) -> int:
        """The number of blocks, L; there are L+1 states."""
        return self.states.shape[1] - 1

    @cached_property
    def norm(self) -> nn.LayerNorm:
        """The encoder's final norm, which readouts apply."""
        norm = nn.LayerNorm(self.states.shape[-1])
        norm.load_state_dict(load_file(self.folder / "norm.safetensors"))
        return norm.requires_grad_(requires_grad=False)


def extract(
    checkpoint: Checkpoint,
    store: Store,
    out: Path,
    *,
    by_lead: bool = False,
    batch: int = 64,
    workers: int = 0,
    report: Callable[[int], None] = lambda records: None,
) -> Features:
    """Run the encoder once over every record of ``store`` and keep each layer's pooled states.

    A cache that is there already, of the same encoder, input and store, is opened and not made
    again.

    Args:
        by_lead: Pool over the patches of each lead, and keep the leads apart.

    Raises:
        InputError: When the store does not meet the encoder's input, or ``out`` holds other
            features.
    """
    about = {
        "format": FORMAT,
        "name": checkpoint.name,
        "encoder": checkpoint.key,
        "store": store.key,
        "preprocessing": asdict(checkpoint.preprocessing),
        "by_lead": by_lead,
        "about": checkpoint.about,
    }
    about = json.loads(json.dumps(about, default=str))
    if out.exists():
        found = Features.open(out)
        if found.about != about:
            raise InputError(
                f"{out}: holds features of another encoder or store; choose another folder"
            )
        return found
    windows = Windows([Part(store, np.arange(len(store.records)))], checkpoint.preprocessing)

    def write(folder: Path) -> None:
        _write_states(checkpoint, windows, folder / "states.npy", by_lead, batch, workers, report)
        records = store.records.drop(columns=["scale", "flags"])
        records.assign(seen=seen(checkpoint.corpus, records)).to_parquet(folder / "records.parquet")
        save_file(checkpoint.encoder.norm.state_dict(), folder / "norm.safetensors")
        (folder / "features.json").write_text(json.dumps(about, indent=2) + "\n")

    replace_folder(out, write)
    return Features.open(out)


@torch.inference_mode()
def _write_states(
    checkpoint: Checkpoint,
    windows: Windows,
    path: Path,
    by_lead: bool,
    batch: int,
    workers: int,
    report: Callable[[int], None],
) -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder, leads = checkpoint.encoder.to(device), checkpoint.preprocessing.leads
    layers, width = encoder.shape.depth + 1, encoder.shape.width
    shape = (len(windows), layers, len(leads), width) if by_lead else (len(windows), layers, width)
    pool = encoder.pooled_by_lead if by_lead else encoder.pooled
    # Written and not mapped: a full disk is an error then, and in a map the end of the process.
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": "<f2", "fortran_order": False, "shape": shape})
        for signals in in_order(windows, batch, workers=workers):
            pooled = pool(signals.to(device), leads).cpu().numpy()
            file.write(pooled.astype("<f2").tobytes())
            report(len(pooled))
