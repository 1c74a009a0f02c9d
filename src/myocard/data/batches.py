"""Order of the records in training, and their windows as tensors."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from myocard.data.shards import located
from myocard.data.signal import Preprocessing, placed
from myocard.data.store import Store


@dataclass(frozen=True)
class Part:
    """Some records of one store."""

    store: Store
    rows: NDArray[np.int64]


Indices = Sequence[tuple[int, float | None]]
"""Windows of a batch: each one's record by its place in the corpus, and a number from [0, 1) that
places the window in the record; None takes the middle."""


class Windows(Dataset[Tensor]):
    """Windows of the records of several stores, as an encoder expects them; an item is a batch.

    Where an encoder states steps, its window is one of them, and the number that places a window
    says nothing.
    """

    def __init__(self, parts: Sequence[Part], preprocessing: Preprocessing) -> None:
        for part in parts:
            part.store.require(preprocessing)
        self.parts = parts
        self.preprocessing = preprocessing
        self.lengths = [len(part.rows) for part in parts]

    def __len__(self) -> int:
        return sum(self.lengths)

    def __getitem__(self, indices: Indices) -> Tensor:
        wanted = self.preprocessing
        positions = np.array([position for position, _ in indices])
        draws = np.array([np.nan if draw is None else draw for _, draw in indices])
        found = np.empty((len(indices), len(wanted.leads), wanted.samples), np.float32)
        for number, own, inside in located(self.lengths, positions):
            part = self.parts[number]
            rows = part.rows[inside]
            if part.store.made.fits(wanted):
                starts = placed(draws[own], part.store.made.samples - wanted.samples)
                windows = part.store.windows(rows, wanted, starts)
            else:
                windows = part.store.made_into(rows, wanted, draws[own])
            if own.all():  # of one store: a copy would take as long as the rest
                return torch.from_numpy(windows)
            found[own] = windows
        return torch.from_numpy(found)

    def ids(self, positions: Sequence[int]) -> list[str]:
        """Return data set and id of the records at these places of the corpus."""
        found = np.empty(len(positions), object)
        for number, own, inside in located(self.lengths, np.array(positions)):
            part = self.parts[number]
            records = part.store.records.iloc[part.rows[inside]]
            found[own] = records["source"] + " " + records["id"]
        return found.tolist()


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
        epoch, _ = divmod(number, self.steps_per_epoch)
        _, draws = _epoch(self.count, self.seed, epoch)
        return [(int(i), float(draws[i])) for i in self.records(number)]

    def records(self, number: int) -> NDArray[np.int64]:
        """Return the records of batch ``number`` alone."""
        epoch, place = divmod(number, self.steps_per_epoch)
        order, _ = _epoch(self.count, self.seed, epoch)
        return order[place * self.batch : (place + 1) * self.batch]


# Epochs of a few seeds may be read in turn.
@lru_cache(maxsize=16)
def _epoch(count: int, seed: int, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    rng = np.random.default_rng((seed, epoch))
    return rng.permutation(count), rng.random(count)


class Labelled(Dataset[tuple[Tensor, Tensor]]):
    """Windows and the targets of their records: ``targets`` has a row for each."""

    def __init__(self, windows: Windows, targets: Tensor) -> None:
        self.windows = windows
        self.targets = targets

    def __getitem__(self, indices: Indices) -> tuple[Tensor, Tensor]:
        return self.windows[indices], self.targets[[position for position, _ in indices]]


def shuffled(
    windows: Windows | Labelled, order: Shuffled, numbers: Iterable[int], workers: int = 0
) -> Iterator[Any]:
    """Load random windows for training, with targets if they have any: batches by ``numbers``."""
    return _loaded(windows, (order[number] for number in numbers), workers)


def in_order(
    windows: Windows, batch: int, draw: float | None = None, workers: int = 0
) -> Iterator[Tensor]:
    """Load every record once, in order: its middle window, or the one at ``draw`` of [0, 1)."""
    positions = range(len(windows))
    firsts = positions[::batch]
    chosen = ([(each, draw) for each in positions[first : first + batch]] for first in firsts)
    return _loaded(windows, chosen, workers)


def _loaded(windows: Windows | Labelled, chosen: Iterable[Indices], workers: int) -> Iterator[Any]:
    # Without a batch size an item is a batch already, and nothing is collated.
    return iter(DataLoader(windows, batch_size=None, sampler=chosen, num_workers=workers))
