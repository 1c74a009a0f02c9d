"""Random weights for a module whose making is not known: its parts draw their own again."""

from copy import deepcopy

import torch
from torch import nn

from myocard.errors import InputError

# Torch's attention and its Transformer spell it with an underscore.
_RESETS = ("reset_parameters", "_reset_parameters")


def redrawn(module: nn.Module) -> nn.Module:
    """Return a copy whose weights were drawn by its parts' ``reset_parameters``.

    Raises:
        InputError: When a parameter or a buffer that is saved would be left as it is.
    """
    copy = deepcopy(module)
    with torch.no_grad():
        # Values that are still not a number afterwards were not drawn.
        for value in copy.state_dict().values():
            if value.is_floating_point() or value.is_complex():
                value.fill_(torch.nan)
        copy.apply(_reset)
    kept = [name for name, value in copy.state_dict().items() if value.isnan().any()]
    if kept:
        raise InputError(
            f"{type(module).__name__}: no reset_parameters draws {', '.join(kept)} again; give "
            "build=, a function that makes the module with random weights"
        )
    return copy


def _reset(part: nn.Module) -> None:
    for name in _RESETS:
        reset = getattr(part, name, None)
        if callable(reset):
            reset()
