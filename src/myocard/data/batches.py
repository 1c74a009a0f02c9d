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

from myocard.data.signal import Preprocessing
from myocard.data.store import Store


@dataclass(frozen=True)
class Part:
    """Some records of one store."""

    store: Store
    rows: NDArray[np.int64]


class Windows(Dataset[Tensor]):
    """Standardised windows of the records of several stores.

    An index is ``(position, draw)``: the record's place in the corpus, and a number from [0, 1)
    that places the window in the record; None takes the middle.
    """

    def __init__(self, parts: Sequence[Part], preprocessing: Preprocessing) -> None:
        for part in parts:
            part.store.require(preprocessing)
        self.parts = parts
        self.preprocessing = preprocessing
        self.ends = np.cumsum([len(part.rows) for part in parts])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: tuple[int, float | None]) -> Tensor:
        position, draw = index
        part, row = self._locate(position)
        spare = part.store.made.samples - self.preprocessing.samples
        start = None if draw is None else int(draw * (spare + 1))
        return torch.from_numpy(part.store.windows([row], self.preprocessing, start)[0])

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

    Each epoch is a new permutation; what does not fill a batch waits for the next epoch's. Batch k
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

    def __getitem__(self, index: tuple[int, float | None]) -> tuple[Tensor, Tensor]:
        return self.windows[index], self.targets[index[0]]


def shuffled(
    windows: Windows | Labelled, order: Shuffled, numbers: Iterable[int], workers: int = 0
) -> Iterator[Any]:
    """Random windows for training, with their targets if they have any: batches by ``numbers``."""
    chosen = (order[number] for number in numbers)
    return iter(DataLoader(windows, batch_sampler=chosen, num_workers=workers))


def in_order(
    windows: Windows, batch: int, draw: float | None = None, workers: int = 0
) -> Iterator[Tensor]:
    """Every record once, in order; its middle window, or the one at ``draw`` of [0, 1)."""
    indices: list[tuple[int, float | None]] = [(i, draw) for i in range(len(windows))]
    return iter(DataLoader(windows, batch_size=batch, sampler=indices, num_workers=workers))
