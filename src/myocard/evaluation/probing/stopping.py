"""The end of a training: when twice the steps would be kept no longer.

Members that are trained together are scored on validation after a growing number of steps. Each
keeps the step at which it was best; when the best of every group was found within the first half of
all steps, doubling them has changed nothing, and the training ends, from step ``FEWEST`` on. Early
stopping is what holds back a gate or a perceptron, so the step that is kept is a setting, chosen on
validation as a penalty is.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from myocard.errors import InputError
from myocard.files.atomic import replace_file
from myocard.results.run import Stop

LOOKS = frozenset(first * 2**k for first in (25, 35) for k in range(24))
"""Steps after which members are scored: twice each, there is another look."""
MARGIN = 0.002
"""Headline score that a later step has to gain to be kept."""
FEWEST = 400
"""Steps before which no training ends: scores of a gate may stand still before they climb."""


class Course:
    """Members of a training as they were at the steps that are kept.

    Attributes:
        headlines: Headline score on validation at these steps, of each member.
        steps: These steps.
        seen: The last step that was looked at.
        settled: True for each group whose best member was found in the first half of these steps.

    Args:
        shape: Leading dimensions of the members; the last is of those to choose among.
        batch: Records of a step.
        member: Copies one.
        folder: The folder in which the course is kept with a training that may be stopped.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        batch: int,
        member: Callable[[tuple[int, ...]], nn.Module],
        folder: Path | None = None,
    ) -> None:
        self.headlines = np.full(shape, -np.inf)
        self.steps = np.zeros(shape, dtype=np.int64)
        self.seen, self.settled = 0, np.ones(shape[:-1], dtype=bool)
        self._batch = batch
        self._member = member
        self._kept: dict[tuple[int, ...], nn.Module] = {}
        self._path = folder / "course.safetensors" if folder else None
        if self._path and self._path.exists():
            self._resume(self._path)

    def is_due(self, step: int) -> bool:
        """Tell whether members are to be scored after a step, if they were not."""
        return step > self.seen and step in LOOKS

    @property
    def is_over(self) -> bool:
        """True if more steps are not worth their time."""
        return self.seen >= FEWEST and bool(self.settled.all())

    def look(self, step: int, headlines: NDArray[np.float64]) -> None:
        """Keep the members that are better than they were."""
        self.seen = step
        better = headlines > self.headlines + MARGIN
        for index in map(tuple, np.argwhere(better).tolist()):
            self._kept[index] = self._member(index)
        self.headlines, self.steps = (
            np.where(better, headlines, self.headlines),
            np.where(better, step, self.steps),
        )
        self.settled = self._are_settled()
        if self._path:
            self._save(self._path)

    def _are_settled(self) -> NDArray[np.bool_]:
        best = self.headlines.argmax(axis=-1)[..., None]
        return 2 * np.take_along_axis(self.steps, best, axis=-1)[..., 0] <= self.seen

    def kept(self, *index: int) -> nn.Module:
        """The member as it was at the step that is kept."""
        return self._kept[index]

    def stops(self, seed: int, group: tuple[int, ...]) -> list[Stop]:
        """Tell of the end of each member of a group; ``seed`` is theirs."""
        return [
            Stop(
                seed=seed,
                step=step,
                steps=self.seen,
                batch=self._batch,
                settled=2 * step <= self.seen,
            )
            for step in self.steps[group].tolist()
        ]

    def _save(self, path: Path) -> None:
        tensors = {
            "headlines": torch.from_numpy(self.headlines),
            "steps": torch.from_numpy(self.steps),
        }
        for index, member in self._kept.items():
            place = ",".join(map(str, index))
            tensors |= {f"{place}:{k}": v.contiguous() for k, v in member.state_dict().items()}
        # A copy of each: members share the frozen norm, and a file holds no tensor twice.
        tensors = {name: value.clone() for name, value in tensors.items()}
        about = {"seen": str(self.seen)}
        replace_file(path, lambda fresh: save_file(tensors, fresh, metadata=about))

    def _resume(self, path: Path) -> None:
        try:
            with safe_open(path, framework="pt") as file:
                self.seen = int(file.metadata()["seen"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            self.headlines, self.steps = (
                tensors.pop("headlines").numpy(),
                tensors.pop("steps").numpy(),
            )
            self.settled = self._are_settled()
        except (SafetensorError, OSError, TypeError, KeyError) as error:
            raise InputError(f"{path}: cannot be read ({error}); remove its folder") from error
        for place in dict.fromkeys(name.split(":")[0] for name in tensors):
            index = tuple(map(int, place.split(",")))
            own = {k.split(":")[1]: v for k, v in tensors.items() if k.startswith(f"{place}:")}
            member = self._member(index)
            member.load_state_dict(own)
            self._kept[index] = member
