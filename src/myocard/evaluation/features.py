"""One pass of a frozen encoder over a store: the pooled states of every layer, kept on disk.

Thirteen vectors a record, about 20 kB for the base size. Everything that is trained on a frozen
encoder reads them.
"""

import time
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import Tensor, nn

from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.encoders import protocol
from myocard.encoders.files import read_weights
from myocard.encoders.protocol import ECGEncoder, Layer
from myocard.errors import InputError
from myocard.evaluation.parts import encode_parts, join_parts
from myocard.files.arrays import read_mapped
from myocard.files.manifest import FEATURES
from myocard.files.progress import Progress, silent
from myocard.files.step import INPUTS, Inputs
from myocard.files.tables import read_parquet
from myocard.metrics.summary import Frozen
from myocard.models.checkpoint import load_weights
from myocard.nn.readouts.norms import NormShape
from myocard.results.run import EncoderInfo
from myocard.training import devices

_COLUMNS = ("id", "patient", "fold", "codes", "source", "sha256", "fingerprint", "known")
_FILES = ("records.parquet", "norm.safetensors")


class FeaturesInfo(Frozen):
    """Description of cached states.

    Attributes:
        encoder: The encoder.
        layers: Name and width of each layer.
        norm: The encoder's final norm.
        store: Hash of the store.
        input: The signals that the encoder was fed; None where embeddings came without them.
        seconds: Time that a record took, preprocessing included; None where a stopped pass was
            taken up.
    """

    encoder: EncoderInfo
    layers: tuple[Layer, ...]
    norm: NormShape
    store: str
    input: Preprocessing | None = None
    seconds: float | None = None

    def shape_of(self, records: int) -> tuple[int, ...]:
        """The shape of the states of some records."""
        widths = [layer.width for layer in self.layers]
        one_width = not protocol.differ_in_width(self.layers)
        return (records, len(widths), widths[0]) if one_width else (records, sum(widths))


@dataclass(frozen=True, eq=False)
class Features:
    """Cached states of a store's records under one encoder: a source of states for probes.

    Attributes:
        folder: The cache.
        states: ``(records, layers, width)``; layer 0 is the embedding. Layers that differ in width
            lie one behind the other: ``(records, sum of widths)``. In float16, and in float32 where
            embeddings were given so.
        records: Rows of the store, with a column ``known``: how and as which record the encoder was
            pretrained on it, in words; empty where it was not.
        info: Their description.
    """

    folder: Path
    states: NDArray[np.float16] | NDArray[np.float32]
    records: pd.DataFrame
    info: FeaturesInfo

    @classmethod
    def open(cls, folder: Path) -> "Features":
        """Open the features in ``folder``.

        Raises:
            InputError: When they are not there or not whole.
        """
        content = FEATURES.read(folder, _FILES)
        try:
            info = FeaturesInfo.model_validate(content)
        except ValidationError as error:
            raise InputError(f"{folder / FEATURES.file}: {error}; {FEATURES.fix}") from error
        records = read_parquet(folder / "records.parquet", _COLUMNS, FEATURES.fix)
        # Opened copy-on-write because torch rejects read-only arrays; never written.
        states = read_mapped(folder / "states.npy", FEATURES.fix, mode="c")
        if states.shape != info.shape_of(len(records)) or states.dtype not in ("<f2", "<f4"):
            raise InputError(
                f"{folder}: states of {states.dtype} {states.shape} do not fit {len(records)} "
                f"records; {FEATURES.fix}"
            )
        return cls(folder, states, records, info)

    @property
    def encoder(self) -> EncoderInfo:
        return self.info.encoder

    @property
    def store(self) -> str:
        """Hash of the store."""
        return self.info.store

    @property
    def leads(self) -> tuple[str, ...]:
        """Leads that the encoder was fed; none where that is not known."""
        return () if self.info.input is None else self.info.input.leads

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.info.layers

    @property
    def seconds(self) -> float | None:
        """Time that a record took to be encoded."""
        return self.info.seconds

    @property
    def known(self) -> pd.Series:
        """Words that say how each record is known to the encoder."""
        return self.records["known"]

    @cached_property
    def norm(self) -> nn.Module:
        """The encoder's final norm, which readouts apply; frozen."""
        norm = self.info.norm.build()
        path = self.folder / "norm.safetensors"
        load_weights(norm, read_weights(path, FEATURES.fix), "", path)
        return norm

    def pooled(self) -> Tensor:
        """All states."""
        return torch.from_numpy(self.states)

    def states_of(self, rows: NDArray[np.int64]) -> Tensor:
        """The states of some records."""
        return torch.from_numpy(self.states[rows])


def extract(
    encoder: ECGEncoder,
    store: Store | Path | str,
    out: Path | str,
    *,
    batch: int | None = None,
    progress: Progress = silent,
) -> Features:
    """Run the encoder once over every record of ``store`` and keep each layer's pooled states.

    A pass that was stopped is taken up again. Processes that ``torchrun`` started share the
    records.

    Args:
        encoder: Any encoder.
        store: The records, or their folder.
        out: The folder to write, by the rule of ``files/step.py``.
        batch: Records in one forward pass. By default 8, the fastest on a thread of a CPU, each of
            which has a pass of its own; 64 on a GPU, and for networks that are not myocard's.
        progress: Called after every batch of this process.

    Raises:
        InputError: When the store does not meet the encoder's input, or ``out`` holds other
            features.
    """
    opened = store if isinstance(store, Store) else Store.open(Path(store))
    info = FeaturesInfo(
        encoder=encoder.info,
        layers=encoder.layers,
        norm=NormShape.of(encoder.norm, encoder.layers[-1].width),
        store=opened.key,
        input=encoder.input,
    )
    told = partial(progress, f"extract {encoder.info.name}")

    def make(folder: Path, work: Path) -> None:
        opened.require(encoder.input)
        fabric, began = devices.fabric(), time.perf_counter()
        afresh = not any(work.glob("part-*"))
        parts = encode_parts(fabric, encoder, opened, work, batch, told)
        fabric.barrier()
        if not fabric.is_global_zero:
            return
        spent = (time.perf_counter() - began) / max(len(opened.records), 1)
        join_parts(parts, folder / "states.npy")
        records = opened.records.drop(columns=["scale", "flags"])
        known = encoder.pretrained_on.known(records)
        timed = info.model_copy(update={"seconds": round(spent, 4) if afresh else None})
        write_features(folder, timed, encoder.norm, records.assign(known=known))

    folder = Path(out)
    devices.shared_step(folder, inputs_of(encoder, opened), make)
    return Features.open(folder)


def write_features(
    folder: Path, info: FeaturesInfo, norm: nn.Module, records: pd.DataFrame
) -> None:
    """Write what belongs to cached states into their folder, where ``states.npy`` is already."""
    records.to_parquet(folder / "records.parquet")
    save_file(norm.state_dict(), folder / "norm.safetensors")
    FEATURES.write(folder, info.model_dump(mode="json"), ("states.npy", *_FILES, INPUTS))


def inputs_of(encoder: ECGEncoder, store: Store) -> Inputs:
    """Name what a cache depends on; the encoder's hash covers its input."""
    return {
        "encoder": encoder.info.hash,
        "pretrained_on": encoder.pretrained_on.key,
        "store": store.key,
    }
