"""Which records come next, and their windows as tensors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from myocard.data.signal import Preprocessing, standardise
from myocard.data.store import Store


@dataclass(frozen=True)
class Part:
    """Some records of one store."""

    store: Store
    rows: NDArray[np.int64]


Indices = Sequence[tuple[int, float | None]]
"""Of each window of a batch, its record's place in the corpus, and a number from [0, 1) that places
the window in the record; None takes the middle."""


class Windows(Dataset[Tensor]):
    """Standardised windows of the records of several stores; an item is a batch of them."""

    def __init__(self, parts: Sequence[Part], preprocessing: Preprocessing) -> None:
        for part in parts:
            part.store.require(preprocessing)
        self.parts = parts
        self.preprocessing = preprocessing
        self.ends = np.cumsum([len(part.rows) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, indices: Indices) -> Tensor:
        wanted = self.preprocessing
        positions = np.array([position for position, _ in indices])
        draws = np.array([np.nan if draw is None else draw for _, draw in indices])
        which = np.searchsorted(self.ends, positions, side="right")
        found = np.empty((len(indices), len(wanted.leads), wanted.samples), np.int16)
        for number in np.unique(which):
            part, own = self.parts[number], which == number
            rows = part.rows[positions[own] - self.ends[number] + len(part.rows)]
            spare = part.store.made.samples - wanted.samples
            starts = np.where(np.isnan(draws[own]), spare // 2, draws[own] * (spare + 1))
            found[own] = part.store.cut(rows, wanted, starts.astype(np.int64))
        return torch.from_numpy(standardise(found, wanted.standardise))

    def ids(self, positions: Sequence[int]) -> list[str]:
        """What the records at these places of the corpus are called, and in which data set."""
        located = (self._locate(position) for position in positions)
        records = (part.store.records.iloc[row] for part, row in located)
        return [f"{record['source']} {record['id']}" for record in records]

    def _locate(self, position: int) -> tuple[Part, int]:
        which = int(np.searchsorted(self.ends, position, side="right"))
        part = self.parts[which]
        return part, int(part.rows[position - (self.ends[which - 1] if which else 0)])


@dataclass(frozen=True)
class Shuffled:
    """Batches of ``batch`` indices into ``count`` records, without end, the same for the same seed.

    Each epoch is a new permutation; what does not fill a batch is left out of it. Batch k
    is the same whether or not those before it were asked for.
    """

    count: int
    batch: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.count // self.batch)

    def __getitem__(self, number: int) -> list[tuple[int, float]]:
        epoch, place = divmod(number, self.steps_per_epoch)
        order, draws = _epoch(self.count, self.seed, epoch)
        chosen = order[place * self.batch : (place + 1) * self.batch]
        return [(int(i), float(draws[i])) for i in chosen]


# Those of a few seeds may be read in turn.
@lru_cache(maxsize=16)
def _epoch(count: int, seed: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng((seed, epoch))
    return rng.permutation(count), rng.random(count)


class Labelled(Dataset[tuple[Tensor, Tensor]]):
    """Windows and what is true of their records, ``targets`` having a row for each."""

    def __init__(self, windows: Windows, targets: Tensor) -> None:
        self.windows = windows
        self.targets = targets

    def __getitem__(self, indices: Indices) -> tuple[Tensor, Tensor]:
        return self.windows[indices], self.targets[[position for position, _ in indices]]


def shuffled(
    windows: Windows | Labelled, order: Shuffled, numbers: Iterable[int], workers: int = 0
) -> Iterator[Any]:
    """Random windows for training, with their targets if they have any: batches by ``numbers``."""
    return _loaded(windows, (order[number] for number in numbers), workers)


def in_order(
    windows: Windows, batch: int, draw: float | None = None, workers: int = 0
) -> Iterator[Tensor]:
    """Every record once, in order; its middle window, or the one at ``draw`` of [0, 1)."""
    positions = range(len(windows))
    firsts = positions[::batch]
    chosen = ([(each, draw) for each in positions[first : first + batch]] for first in firsts)
    return _loaded(windows, chosen, workers)


def _loaded(windows: Windows | Labelled, chosen: Iterable[Indices], workers: int) -> Iterator[Any]:
    # Without a batch size an item is a batch already, and nothing is collated.
    return iter(DataLoader(windows, batch_size=None, sampler=chosen, num_workers=workers))
