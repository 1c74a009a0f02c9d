"""A slow copy of a network: the target of MoCo and JEPA.

Objectives update it before a batch and not after a step, which is equivalent and needs nothing of
the training loop.
"""

from copy import deepcopy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def slow_copy(online: Module) -> Module:
    """Copy a network; the copy takes no gradient."""
    return deepcopy(online).requires_grad_(requires_grad=False)


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Update in place θ_target ← m·θ_target + (1−m)·θ."""
    for mine, theirs in zip(target.parameters(), online.parameters(), strict=True):
        mine.lerp_(theirs, 1 - momentum)
