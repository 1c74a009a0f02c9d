"""Entries whose files are written by the test."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from myocard.data.formats.reading import read
from myocard.data.sources.entry import Entry
from myocard.leads import LEADS

EntryMaker = Callable[..., Entry]


@pytest.fixture
def make_entry(tmp_path: Path) -> EntryMaker:
    """A function that writes a record of noise (or ``signal``) and lists it."""
    folder = tmp_path / "source"
    folder.mkdir()

    def make(
        name: str,
        signal: np.ndarray | None = None,
        *,
        rate: float = 100,
        leads: Sequence[str] = LEADS,
        unit: str = "mV",
        patient: str | None = None,
        **about: object,
    ) -> Entry:
        if signal is None:
            rng = np.random.default_rng(list(name.encode()))
            signal = rng.normal(size=(len(leads), 1000))
        path = folder / f"{name}.npy"
        np.save(path, signal.astype(np.float32))
        reader = partial(read, path, rate=rate, leads=tuple(leads), unit=unit)
        return Entry(id=name, path=path, read=reader, patient=patient or name, **about)

    return make
