"""Tensors of a checkpoint by name: where they are, and the sizes and heads that they tell."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from myocard.encoders.published import Card, Weights, filled, part
from myocard.errors import InputError


def find(
    content: Mapping[str, Any], sign: str, prefixes: Sequence[str] = ("",)
) -> tuple[dict[str, Tensor], str] | None:
    """Find the tensors in a checkpoint's content, or one level down, by the name of one.

    Returns:
        The tensors by name, and the one of ``prefixes`` that ``sign`` has; None without a sign.
    """
    for held in (content, *content.values()):
        for prefix in prefixes:
            if isinstance(held, Mapping) and prefix + sign in held:
                tensors = {name: it for name, it in held.items() if isinstance(it, Tensor)}
                return tensors, prefix
    return None


def shape_of(weights: Weights, name: str, axes: int, card: Card, file: Path) -> tuple[int, ...]:
    """Return the shape of a tensor that tells sizes of a network.

    Raises:
        InputError: When it is missing or has another number of axes.
    """
    if name not in weights or weights[name].ndim != axes:
        raise InputError(
            f"{file}: no checkpoint of {card.title}: tensor {name} of {axes} axes missing"
        )
    return tuple(weights[name].shape)


def count(weights: Weights, beginning: str) -> int:
    """Count the members of a list of modules, all of whose tensors' names begin so."""
    names = [name.removeprefix(beginning) for name in weights if name.startswith(beginning)]
    return len({name.split(".")[0] for name in names})


def linear_head(weights: Weights, name: str, card: Card, file: Path) -> nn.Linear | None:
    """Read the linear layer of that name; None where there is none.

    Raises:
        InputError: When it has no bias, or its shapes do not fit.
    """
    if f"{name}.weight" not in weights:
        return None
    outputs, inputs = shape_of(weights, f"{name}.weight", 2, card, file)
    named = {tensor: value for tensor, value in weights.items() if tensor.startswith(f"{name}.")}
    build = partial(nn.Linear, inputs, outputs)
    return filled(build, part(named, f"{name}.", {}, file), card, file)


def present(weights: Weights, reasons: Mapping[str, str]) -> dict[str, str]:
    """Keep the reasons for beginnings of names that are in the checkpoint."""
    return {
        start: reason
        for start, reason in reasons.items()
        if any(name.startswith(start) for name in weights)
    }
