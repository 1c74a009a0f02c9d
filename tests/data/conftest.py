"""Stores written by hand, in the format that ``Store.open`` promises to read."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.data.signal import Band
from myocard.data.store import FILES, Store, StoreInput
from myocard.files.manifest import STORE

StoreMaker = Callable[..., Store]


@pytest.fixture
def make_store(tmp_path: Path) -> StoreMaker:
    """A function that writes a store of ``(records, leads, samples)`` integers and opens it."""

    def make(
        name: str = "store",
        shape: tuple[int, int, int] = (5, 2, 40),
        leads: Sequence[str] = ("I", "II"),
        rate: int = 100,
        band: Band | None = None,
    ) -> Store:
        folder = tmp_path / name
        folder.mkdir()
        count, _, samples = shape
        signals = np.random.default_rng(len(name)).integers(-999, 999, shape)
        np.save(folder / "signals.npy", signals.astype(np.int16))
        records = pd.DataFrame(
            {
                "id": [f"{name}-{i}" for i in range(count)],
                "patient": [f"p{i}" for i in range(count)],
                "fold": np.arange(count) + 1,
                "codes": [["scp:NORM"]] * count,
                "age": 50.0,
                "sex": "F",
                "site": None,
                "device": None,
                "source": name,
                "sha256": [f"{i:064x}" for i in range(count)],
                "fingerprint": ["-" * 128] * count,
                "scale": 0.001,
                "flags": "",
            }
        )
        records.to_parquet(folder / "records.parquet", index=False)
        made = asdict(StoreInput(rate, samples, tuple(leads), band or Band()))
        (folder / "quarantine.csv").touch()
        STORE.write(folder, {"made": made}, FILES)
        return Store.open(folder)

    return make
