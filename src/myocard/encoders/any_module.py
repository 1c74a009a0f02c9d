"""Any torch module as an encoder, read as its user states it."""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from myocard.data.corpora import PretrainedOn, trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.hooks import (
    ORDERS,
    Hooks,
    Prepare,
    Returned,
    chosen_modules,
    first_pass,
    no_module,
    require_width_last,
)
from myocard.encoders.protocol import Layer
from myocard.encoders.wrapped import Build, FewerLeads, Pool, WrappedEncoder
from myocard.errors import InputError
from myocard.recipe import choose

HIDDEN_STATES = "hidden_states"
"""The layers of a model that returns them when called with ``output_hidden_states=True``."""
POOLS: dict[str, Pool] = {
    "mean": lambda tokens: tokens.mean(dim=1),
    "first": lambda tokens: tokens[:, 0],
    "last": lambda tokens: tokens[:, -1],
}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def wrap(  # noqa: PLR0913
    module: nn.Module,
    *,
    layers: str | Sequence[str],
    input: Preprocessing,
    name: str | None = None,
    order: str | Mapping[str, str] = "batch tokens width",
    output: int | str | None = None,
    pool: str | Pool = "mean",
    norm: str | None = None,
    prepare: Prepare | None = None,
    pretrained_on: Sequence[str] | None = None,
    of_leads: FewerLeads | None = None,
    build: Build | None = None,
) -> WrappedEncoder:
    """Make an encoder of any torch module; hooks read its hidden states.

    The module is put in evaluation mode and runs once on zeros, which tells the widths of its
    layers and the order in which they are computed.

    Args:
        module: The module; it is not copied.
        layers: Names of its submodules, or patterns such as ``blocks.*``, whose outputs are the
            hidden states; ``hidden_states`` takes those that a model of transformers returns.
        input: The signals that it expects.
        name: Its name in tables; by default that of the module's class.
        order: Order of the outputs' axes, one of ``ORDERS``; or that of each of ``layers``.
        output: Key or index of the state in an output; by default the first tensor.
        pool: ``mean``, ``first`` or ``last`` token, or a function of ``(batch, tokens, width)``.
        norm: Name of the submodule that norms the last state before a head reads it.
        prepare: Makes the module's argument of signals ``(batch, leads, samples)``; a mapping is
            its keywords.
        pretrained_on: Names of the data sets that it was trained on: empty for none, None where
            they are not known.
        of_leads: Makes the module that reads some of its leads, by their places in the input's.
        build: Makes the module with random weights; by default the ``reset_parameters`` of its
            parts draw those of a copy.

    Raises:
        InputError: For a name that fits nothing, an input that the module does not take, or an
            output that is not as stated, or whose width changes with the signals' length.
    """
    patterns = [layers] if isinstance(layers, str) else [*layers]
    read = _reading(module, patterns, _orders(order, patterns), prepare or _as_they_are, output)
    if norm is not None and norm not in dict(module.named_modules()):
        raise no_module(module, norm)
    found = first_pass(module.eval(), input, read)
    require_width_last(module, input, read, found)
    return WrappedEncoder(
        name=_checked(type(module).__name__ if name is None else name),
        network=module,
        input=input,
        layers=tuple(Layer(state, tokens.shape[2]) for state, tokens in found.items()),
        read=read,
        pooling=_pooling(pool, found),
        final_norm=norm,
        pretrained_on=_corpus(pretrained_on),
        of_leads=of_leads,
        build=build,
    )


def _as_they_are(signals: Tensor) -> Tensor:
    return signals


def _orders(order: str | Mapping[str, str], patterns: Sequence[str]) -> dict[str, str]:
    """Return the order of each pattern's outputs."""
    orders = dict.fromkeys(patterns, order) if isinstance(order, str) else dict(order)
    if not patterns or orders.keys() != set(patterns):
        raise InputError(
            f"layers= are {', '.join(patterns) or 'none'}, and order= is that of "
            f"{', '.join(orders) or 'none'}; state one for each"
        )
    for each in orders.values():
        choose(ORDERS, each, "order")
    return orders


def _reading(
    module: nn.Module,
    patterns: Sequence[str],
    orders: Mapping[str, str],
    prepare: Prepare,
    output: int | str | None,
) -> Hooks | Returned:
    if patterns == [HIDDEN_STATES]:
        return Returned(prepare, orders[HIDDEN_STATES])
    chosen = chosen_modules(module, patterns)
    return Hooks(prepare, {name: orders[pattern] for name, pattern in chosen.items()}, output)


def _checked(name: str) -> str:
    """Return a name that can be a folder's."""
    if not _NAME.fullmatch(name):
        raise InputError(f"name {name!r}: give letters, digits, '.', '_' and '-' alone")
    return name


def _pooling(pool: str | Pool, found: Mapping[str, Tensor]) -> Pool:
    """Return the function of a pooling, which must keep the width of every layer."""
    if isinstance(pool, str):
        choose(POOLS, pool, "pool")
        return POOLS[pool]
    for name, tokens in found.items():
        pooled = tuple(pool(tokens).shape)
        if pooled != (len(tokens), tokens.shape[2]):
            raise InputError(
                f"pool= makes {pooled} of {name} {tuple(tokens.shape)}; it should keep the width"
            )
    return pool


def _corpus(names: Sequence[str] | None) -> PretrainedOn:
    if isinstance(names, str):
        raise InputError(f"pretrained_on {names!r}: give a list of names")
    if names is None:
        return PretrainedOn()
    return PretrainedOn(None, tuple(names)) if names else trained_on_nothing()
