"""All readouts by name. A new one is a class or a function, and a line here."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from torch import nn

from myocard.errors import InputError
from myocard.nn.readouts import pooled, tokens
from myocard.nn.readouts.widths import SideBySide

POOLED: dict[str, Callable[[nn.Module, int, int], pooled.Readout]] = {
    "last": pooled.last_layer,
    "ppa": pooled.PPA,
    "ppa-normed": partial(pooled.PPA, combine=pooled.mixture_of_norms),
    "pma": pooled.PMA,
    "pma-frozen-gate": pooled.frozen_gate,
    "pma-last": partial(pooled.PMA, reads=pooled.last_block),
    "pma-mean": partial(pooled.PMA, reads=pooled.mean_block),
    "gated-mix": pooled.GatedMix,
    "scalar-mix": pooled.ScalarMix,
    "scalar-mix-normed": partial(pooled.ScalarMix, combine=pooled.mixture_of_norms),
    "class-mix": pooled.ClassMixture,
    "loes": pooled.LayerSubspaces,
    "concat": pooled.Concatenation,
    "alf": pooled.AttentiveFusion,
}
"""Readouts of pooled states, from the encoder's norm, width and depth."""

TOKENS: dict[str, Callable[[int, int], tokens.TokenReadout]] = {
    "attentive-tokens": tokens.attentive_probe,
    "efficient-tokens": tokens.efficient_probe,
    "alf-leads": tokens.fusion_of_leads,
    "alf-tokens": tokens.fusion_of_tokens,
}
"""Readouts of tokens after the encoder's norm, from its width and depth."""

READOUTS = (*POOLED, *TOKENS)

OF_ONE_LAYER = ("last", "layers", "attentive-tokens", "efficient-tokens")
"""Readouts that read one layer at a time."""
WITHOUT_SUM = (*OF_ONE_LAYER, "concat")
"""Readouts that add no layer to another, and so may read layers of different widths."""


def build_readout(
    name: str, norm: nn.Module, width: int, depth: int, layer: int | None = None
) -> pooled.Readout | tokens.TokenReadout:
    """Build a readout by name over ``norm``, the encoder's own; a ``layer`` is read alone."""
    if layer is not None:
        return pooled.single_layer(norm, width, depth, layer)
    return TOKENS[name](width, depth) if name in TOKENS else POOLED[name](norm, width, depth)


def build_pooled(
    name: str, norm: nn.Module, widths: Sequence[int], layer: int | None = None
) -> pooled.Readout:
    """Build a readout of pooled states by name, for layers of these widths.

    Raises:
        InputError: For a readout that sums layers, where their widths differ.
    """
    depth = len(widths) - 1
    if len(set(widths)) == 1:
        return cast(pooled.Readout, build_readout(name, norm, widths[0], depth, layer))
    if layer is not None:
        return SideBySide(norm, widths, [layer])
    require_widths(name, widths)
    return SideBySide(norm, widths, [depth] if name == "last" else range(1, depth + 1))


def require_widths(name: str, widths: Sequence[int]) -> None:
    """Refuse a readout that sums layers where their widths differ, or mixes them where one is.

    Raises:
        InputError: Naming what reads them instead.
    """
    if len(widths) == 1 and name not in OF_ONE_LAYER:
        raise InputError(
            f"readout {name!r} mixes layers, and there is one; probe it with the readout last"
        )
    if len(set(widths)) > 1 and name not in WITHOUT_SUM:
        raise InputError(
            f"readout {name!r} sums layers, and these differ in width "
            f"({', '.join(map(str, widths))}); take last or concat, or read layers one by one, or "
            "mapped to one width (common_width = 64)"
        )
    if name == "alf" and widths[0] % 4:
        raise InputError(
            f"readout 'alf' has four heads, and the width is {widths[0]}; take another"
        )
