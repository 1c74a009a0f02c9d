"""The encoder protocol: all that a program may ask of an ECG encoder, whoever made it."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from myocard.data.corpora import PretrainedOn
from myocard.data.signal import Preprocessing
from myocard.errors import InputError
from myocard.leads import parse_leads
from myocard.nn.analysis.attention import TokenGrid
from myocard.nn.shapes import JoinedStates, LeadTokens, Representation, Signals, States, Tokens
from myocard.results.run import EncoderInfo


@dataclass(frozen=True)
class Layer:
    """One hidden state of an encoder: what its makers call it, and its width."""

    name: str
    width: int


def block_layers(width: int, depth: int) -> tuple[Layer, ...]:
    """Return the layers of a stack of blocks of one width."""
    names = ["embedding", *(f"block {block}" for block in range(1, depth + 1))]
    return tuple(Layer(name, width) for name in names)


def own_names(layers: Sequence[Layer]) -> tuple[str, ...] | None:
    """Return the names of layers; None where they tell no more than their numbers."""
    names = tuple(layer.name for layer in layers)
    numbered = (
        name == "embedding" or name.endswith(f" {number}") for number, name in enumerate(names)
    )
    return None if all(numbered) else names


@runtime_checkable
class ECGEncoder(Protocol):
    """An encoder that gives every layer, and says what it is."""

    @property
    def info(self) -> EncoderInfo:
        """Its name, its hash, and what tables say of it."""
        ...

    @property
    def input(self) -> Preprocessing:
        """The signals that it expects: rate, window, leads, filter, standardisation."""
        ...

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Name and width of each hidden state: the embedding first, the output last."""
        ...

    @property
    def norm(self) -> nn.Module:
        """The norm of a state before a head reads it; ``nn.Identity`` where there is none."""
        ...

    @property
    def network(self) -> nn.Module:
        """The module that holds its weights, to be moved and trained."""
        ...

    @property
    def pretrained_on(self) -> PretrainedOn:
        """The records or data sets that it was pretrained on, as far as is known."""
        ...

    def hidden_states(self, signals: Signals) -> Iterator[Tokens]:
        """Every layer's tokens in order, one layer at a time; always all.

        Tokens that stand for no part of the signal (separators) are left out.

        Args:
            signals: As ``input`` states them; rows are ``input.leads``.
        """
        ...

    def pool(self, tokens: Tokens) -> Representation:
        """One vector for each record from a layer's tokens."""
        ...

    def with_leads(self, leads: Sequence[str]) -> "ECGEncoder":
        """The same encoder fed with those of its leads that are among ``leads``.

        Raises:
            InputError: When there is none, or the encoder needs all of its leads.
        """
        ...

    def randomised(self, seed: int) -> "ECGEncoder":
        """The same network with random weights: the baseline of claims about pretraining."""
        ...


@runtime_checkable
class LeadwiseEncoder(ECGEncoder, Protocol):
    """An encoder whose tokens belong to single leads."""

    def by_lead(self, tokens: Tokens) -> LeadTokens:
        """The tokens of each lead."""
        ...


@runtime_checkable
class TimewiseEncoder(ECGEncoder, Protocol):
    """An encoder whose tokens are of all leads, and stand evenly for the window, in its order."""

    def by_time(self, tokens: Tokens) -> LeadTokens:
        """The tokens, all in one row."""
        ...


@runtime_checkable
class AttentiveEncoder(Protocol):
    """The further member of an encoder whose attention can be measured."""

    def grid(self, tokens: int) -> TokenGrid:
        """Where those of a layer's ``tokens`` lie that stand for a part of the signal."""
        ...


def pooled_states(encoder: ECGEncoder, signals: Signals) -> States | list[Representation]:
    """The pooled state of every layer; no layer outlives its pooling.

    One tensor, or one a layer where layers differ in width.
    """
    states = [encoder.pool(tokens) for tokens in encoder.hidden_states(signals)]
    return states if differ_in_width(encoder.layers) else torch.stack(states, dim=1)


def joined_states(encoder: ECGEncoder, signals: Signals) -> States | JoinedStates:
    """The same in one tensor: layers that differ in width lie one behind the other."""
    states = pooled_states(encoder, signals)
    return torch.cat(states, dim=1) if isinstance(states, list) else states


def differ_in_width(layers: Sequence[Layer]) -> bool:
    """Tell whether layers differ in width."""
    return len({layer.width for layer in layers}) > 1


def require_leadwise(encoder: ECGEncoder, what: str) -> LeadwiseEncoder:
    """Refuse an encoder whose tokens do not belong to single leads.

    Raises:
        InputError: Naming ``what`` needs them.
    """
    if not isinstance(encoder, LeadwiseEncoder):
        raise InputError(
            f"{what}: needs tokens of single leads, and {encoder.info.name} mixes leads"
        )
    return encoder


def with_only(encoder: ECGEncoder, only: Sequence[str]) -> ECGEncoder:
    """The encoder fed with some of its leads alone.

    Raises:
        InputError: When they are not among its own, or it needs all.
    """
    if isinstance(only, str):
        raise InputError(f"only={only!r}: give a list of leads")
    stated, chosen = encoder.input.leads, parse_leads(only)
    if not chosen or not set(chosen) <= set(stated):
        raise InputError(
            f"leads {', '.join(chosen) or 'of no name'}: {encoder.info.name} reads "
            f"{', '.join(stated)}; name some of these"
        )
    return encoder.with_leads(chosen)


def weights_hash(network: nn.Module, expected: Preprocessing, architecture: str) -> str:
    """A hash of an encoder's weights, stated input and whatever else fixes its function."""
    digest = hashlib.sha256(repr(sorted(asdict(expected).items())).encode())
    digest.update(architecture.encode())
    for name, value in sorted(network.state_dict().items()):
        # NumPy has no bfloat16; bytes are those of any type.
        held = value.cpu().contiguous().flatten().view(torch.uint8)
        digest.update(name.encode() + held.numpy().tobytes())
    return digest.hexdigest()
