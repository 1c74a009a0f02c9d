"""Hidden states of any torch module, computed in one forward pass and brought to one order.

``Hooks`` takes the outputs of submodules; ``Returned`` what a model gives when it is asked for
``output_hidden_states``, as those of transformers do.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

import torch
from torch import SymInt, Tensor, nn

from myocard.data.signal import Preprocessing
from myocard.errors import InputError
from myocard.nn.shapes import Signals, Tokens

Prepare = Callable[[Tensor], Any]
"""Makes a module's argument of signals ``(batch, leads, samples)``; a mapping is its keywords."""

ORDERS = (
    "batch tokens width",
    "tokens batch width",
    "batch width tokens",
    "batch width tokens tokens",
    "batch width",
)
_LISTED = 20
_TRIED = 2
"""Records of the first pass: more than one, so that a wrong order is seen."""


@dataclass(frozen=True)
class Hooks:
    """Outputs of submodules as hidden states.

    Attributes:
        prepare: Makes the module's argument.
        orders: Order of the axes of each submodule's output, by its name.
        output: Key or index of the state in the outputs; None takes the first tensor.
    """

    prepare: Prepare
    orders: Mapping[str, str]
    output: int | str | None = None

    def __call__(self, module: nn.Module, signals: Signals) -> dict[str, Tokens]:
        """Run ``module`` once; the states come in the order in which they were computed.

        The hooks are gone afterwards, whatever happens.

        Raises:
            InputError: When a submodule does not run once, or its output is not as stated.
        """
        found: defaultdict[str, list[Tokens]] = defaultdict(list)

        def keep(name: str, part: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            state = _tensor(output, self.output, name)
            # A copy, as later modules may change an output in place.
            found[name].append(as_tokens(state, self.orders[name], signals.shape[0], name).clone())

        with ExitStack() as hooks:
            for name in self.orders:
                handle = module.get_submodule(name).register_forward_hook(partial(keep, name))
                hooks.callback(handle.remove)
            _run(module, self.prepare(signals))
        for name in self.orders:
            if len(found[name]) != 1:
                raise InputError(
                    f"{name} runs {len(found[name])} times in a forward pass; choose modules that "
                    "run once"
                )
        return {name: state for name, (state,) in found.items()}


@dataclass(frozen=True)
class Returned:
    """Hidden states that a model returns when it is asked for them.

    Attributes:
        prepare: Makes the model's argument.
        order: Order of their axes.
    """

    prepare: Prepare
    order: str

    def __call__(self, module: nn.Module, signals: Signals) -> dict[str, Tokens]:
        """Run ``module`` once.

        Raises:
            InputError: When it returns none, or they are not as stated.
        """
        output = _run(module, self.prepare(signals), output_hidden_states=True)
        states = getattr(output, "hidden_states", None)
        if states is None:
            raise InputError(
                f"{type(module).__name__} returns no hidden_states; name its submodules in layers="
            )
        named = {f"hidden state {number}": state for number, state in enumerate(states)}
        batch = signals.shape[0]
        return {name: as_tokens(state, self.order, batch, name) for name, state in named.items()}


def first_pass(
    module: nn.Module, expected: Preprocessing, read: Hooks | Returned
) -> dict[str, Tokens]:
    """Read the states of zeros as a module's input is stated; their widths are the layers'.

    Raises:
        InputError: When the module does not take them, or its states are not as stated.
    """
    device = next(module.parameters(), torch.empty(0)).device
    zeros = torch.zeros(_TRIED, len(expected.leads), expected.samples, device=device)
    try:
        with torch.no_grad():
            return read(module, zeros)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{type(module).__name__} does not take the stated input, {tuple(zeros.shape)} "
            f"({type(error).__name__}: {error}); correct input= or of_leads=, or reshape it with "
            "prepare="
        ) from error


def require_width_last(
    module: nn.Module,
    expected: Preprocessing,
    read: Hooks | Returned,
    found: Mapping[str, Tokens],
) -> None:
    """Refuse widths that change with the length of the signals: they are numbers of tokens.

    A module that takes one length only is not asked.

    Raises:
        InputError: Naming the state and the order that fits.
    """
    longer = replace(expected, samples=2 * expected.samples)
    try:
        other = first_pass(module, longer, read)
    except InputError:
        return
    for name, tokens in found.items():
        if name in other and tokens.shape[2] != other[name].shape[2]:
            raise InputError(
                f"{name}: the axis that is stated as its width is {tokens.shape[2]} for "
                f"{expected.samples} samples and {other[name].shape[2]} for {longer.samples}; "
                'state order="batch width tokens" if it comes from a convolution'
            )


def chosen_modules(module: nn.Module, patterns: Sequence[str]) -> dict[str, str]:
    """Find the submodules that names or patterns choose, each with its pattern.

    A pattern is matched part by part: ``blocks.*`` fits ``blocks.0`` and not ``blocks.0.norm``.

    Raises:
        InputError: For one that fits nothing, naming the first modules.
    """
    names = [name for name, _ in module.named_modules() if name]
    chosen: dict[str, str] = {}
    for pattern in patterns:
        fitting = [name for name in names if _fits(name, pattern)]
        if not fitting:
            raise no_module(module, pattern)
        chosen |= {name: pattern for name in fitting if name not in chosen}
    return chosen


def no_module(module: nn.Module, wanted: str) -> InputError:
    """Return the error for a name or pattern that fits none of a module's submodules."""
    names = [name for name, _ in module.named_modules() if name]
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return InputError(
        f"{type(module).__name__}: no module fits {wanted!r}; there are "
        f"{', '.join(names[:_LISTED])}{more}"
    )


def as_tokens(state: Tensor, order: str, batch: int | SymInt, name: str) -> Tokens:
    """Bring a state in ``order`` to batch, tokens and width; several axes of tokens become one.

    Raises:
        InputError: When its shape is not of that order for ``batch`` records, or it holds no
            floating-point number.
    """
    if not (state.is_floating_point() and state.numel()):
        raise InputError(
            f"{name} gives {tuple(state.shape)} of {state.dtype}; a hidden state is of "
            "floating-point numbers"
        )
    axes = order.split()
    if state.ndim != len(axes) or state.shape[axes.index("batch")] != batch:
        raise InputError(
            f"{name} gives {tuple(state.shape)} for {batch} records, which is not {order!r}; state "
            f"order=, one of {', '.join(map(repr, ORDERS))}"
        )
    tokens = [place for place, axis in enumerate(axes) if axis == "tokens"]
    ordered = state.permute(axes.index("batch"), *tokens, axes.index("width"))
    return ordered.flatten(1, -2) if tokens else ordered.unsqueeze(1)


def _fits(name: str, pattern: str) -> bool:
    parts, patterns = name.split("."), pattern.split(".")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


def _run(module: nn.Module, given: Any, **asked: bool) -> Any:
    return module(**given, **asked) if isinstance(given, Mapping) else module(given, **asked)


def _tensor(output: Any, key: int | str | None, name: str) -> Tensor:
    """Take the first tensor of a submodule's output, or of what is at ``key`` in it."""
    found = output if key is None else _at(output, key)
    if isinstance(found, Mapping):
        found = tuple(found.values())
    parts = found if isinstance(found, tuple | list) else (found,)
    state = next((part for part in parts if isinstance(part, Tensor)), None)
    if state is None:
        where = "" if key is None else f" at {key!r}"
        raise InputError(
            f"{name} gives {type(output).__name__} without a tensor{where}; state output="
        )
    return state


def _at(output: Any, key: int | str) -> Any:
    try:
        # A tensor has items too: its records.
        return None if isinstance(output, Tensor) else output[key]
    except (KeyError, IndexError, TypeError):
        return None
