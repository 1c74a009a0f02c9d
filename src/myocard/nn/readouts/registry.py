"""All readouts by name. A new one is a class or a function, and a line here."""

from collections.abc import Callable
from functools import partial

from torch import nn

from myocard.nn.readouts import pooled, tokens

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


def build_readout(
    name: str, norm: nn.Module, width: int, depth: int, layer: int | None = None
) -> pooled.Readout | tokens.TokenReadout:
    """Build a readout by name over ``norm``, the encoder's own; a ``layer`` is read alone."""
    if layer is not None:
        return pooled.single_layer(norm, width, depth, layer)
    return TOKENS[name](width, depth) if name in TOKENS else POOLED[name](norm, width, depth)
