"""Measures of the attention that a layer comes out of, while its states are computed."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from myocard.encoders.protocol import AttentiveEncoder, ECGEncoder
from myocard.nn.analysis.attention import Weights, attention_statistics, watched
from myocard.nn.shapes import Tokens

Measures = dict[str, Float[Tensor, "records layers"]]


def with_attention(encoder: ECGEncoder, states: Iterator[Tokens]) -> tuple[list[Tokens], Measures]:
    """Draw all states, and measure the attention that each comes out of.

    The first state is an embedding, whose attention is not told, nor that of a layer with several.

    Returns:
        The states, and measures by name: NaN for a layer without attention, and no measure that all
        layers lack.
    """
    if not isinstance(encoder, AttentiveEncoder):
        return list(states), {}
    layers: list[Tokens] = []
    found: list[dict[str, Tensor]] = []
    for tokens, weights in watched(states):
        found.append(_measured(encoder, weights[0]) if layers and len(weights) == 1 else {})
        layers.append(tokens)
    nothing = torch.full((len(layers[0]),), torch.nan).to(layers[0])
    names = dict.fromkeys(name for each in found for name in each)
    return layers, {n: torch.stack([each.get(n, nothing) for each in found], dim=1) for n in names}


def _measured(encoder: AttentiveEncoder, weights: Weights) -> dict[str, Float[Tensor, " batch"]]:
    """Measure one attention; what its tokens cannot tell is left out."""
    tokens = weights.shape[-1]
    places, seconds = encoder.grid(tokens)
    entropy, distance, across, separators = attention_statistics(weights, places)
    measures = {"attention_entropy": entropy}
    if seconds is not None:
        measures["attention_seconds"] = distance * seconds
    if len(places) > 1:
        measures["attention_across"] = across
    if places.numel() < tokens:
        measures["attention_separators"] = separators
    return measures
