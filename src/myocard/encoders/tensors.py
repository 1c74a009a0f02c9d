"""Tensors of a checkpoint by name: where they are, what they tell, the network that they fill."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from myocard.encoders.published import Card, Weights
from myocard.errors import InputError

Network = TypeVar("Network", bound=nn.Module)


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


def part(
    weights: Mapping[str, Any], prefix: str, left_out: Mapping[str, str], file: Path
) -> dict[str, Tensor]:
    """Take the tensors below ``prefix``, less those whose names begin as ``left_out`` says.

    Numbers of other precision become float32, as a network made from them should be.

    Args:
        weights: Tensors by name.
        prefix: Taken off the names.
        left_out: Beginnings of names, in ``weights``, that the network does not need.
        file: For messages.

    Raises:
        InputError: When there is none, a tensor is neither below the prefix nor left out, or one is
            no tensor or holds values that are not finite.
    """
    unneeded = tuple(left_out)
    kept = {name: value for name, value in weights.items() if not name.startswith(unneeded)}
    strange = [name for name in kept if not name.startswith(prefix)]
    if strange or not kept:
        raise InputError(f"{file}: {_some(strange) or 'no tensor'} beside {prefix or 'weights'}…")
    found = {}
    for name, value in kept.items():
        if not isinstance(value, Tensor):
            raise InputError(f"{file}: {name} is no tensor")
        single = value.float() if value.is_floating_point() else value
        if not single.isfinite().all():
            raise InputError(f"{file}: {name} holds values that are not finite; fetch it again")
        found[name.removeprefix(prefix)] = single
    return found


def filled(build: Callable[[], Network], weights: Weights, card: Card, file: Path) -> Network:
    """Build a network in evaluation mode with ``weights``, every one and no other.

    Raises:
        InputError: Naming the first tensors that are missing, left over, or of another shape.
    """
    # On no device first: a small file can state shapes that fill any memory.
    with torch.device("meta"):
        own = build().state_dict()
    missing = [name for name in own if name not in weights]
    extra = [name for name in weights if name not in own]
    other = [
        f"{name} {tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    told = [
        f"{what} {_some(names)}"
        for what, names in (("missing", missing), ("left over", extra), ("of another shape", other))
        if names
    ]
    if told:
        raise InputError(f"{file}: no checkpoint of {card.title}: tensors {'; '.join(told)}")
    network = build()
    network.load_state_dict({name: weights[name] for name in own})
    return network.eval()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
