"""Published encoders behind the encoder protocol: what their files in this folder share.

A file of this folder describes one family of models: its network, the names in its checkpoints, the
input it states, its licence and what it was pretrained on. ``registry.py`` lists the families.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from myocard.data.corpora import PretrainedOn, trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.protocol import Layer, own_names, weights_hash
from myocard.errors import InputError
from myocard.nn.analysis.attention import TokenGrid
from myocard.nn.shapes import LeadTokens, Representation, Signals, Tokens
from myocard.results.run import EncoderInfo

Weights = Mapping[str, Tensor]


@dataclass(frozen=True)
class Card:
    """All that is said of a published model beside its network.

    Attributes:
        name: Its name here: ``ecg-fm``.
        title: Its authors' name for it.
        paper: Paper and year, as to be cited.
        code_licence: Licence of its code.
        weights_licence: Licence of its weights, or that none is stated.
        commercial: True if both allow commercial use, None where it is not stated.
        where: Place of its weights.
        pretrained_on: Names of data sets, as sources here are named where they are one; None where
            they are not known.
        layers: Sentence on what its first and last hidden states are.
        size: Depth and width of each published size, as ``12 × 768``.
        signals: Rate, length and leads of its input, as ``500 Hz, 10 s, 12 leads``.
    """

    name: str
    title: str
    paper: str
    code_licence: str
    weights_licence: str
    commercial: bool | None
    where: str
    pretrained_on: tuple[str, ...] | None
    layers: str
    size: str
    signals: str


class LayeredNetwork(nn.Module):
    """A network that yields every hidden state; the base of those in this folder."""

    def states(self, signals: Signals) -> Iterator[Tokens]:
        """Every hidden state with all its tokens, as its makers have it; the embedding first."""
        raise NotImplementedError

    def signal_tokens(self, tokens: Tokens) -> Tokens:
        """Keep the tokens that stand for a part of the signal."""
        return tokens


@dataclass(frozen=True, eq=False)
class Opened:
    """A published checkpoint that was read.

    Attributes:
        card: The model's card.
        network: The network, with the checkpoint's weights.
        layers: Name and width of each hidden state.
        input: The signals that it expects.
        build: Makes the same network with random weights.
        norm: Name of the module in ``network`` that norms its last state; None where it has none.
        head: Module from a record's pooled last state, normed, to its makers' outputs.
        left_out: Names of tensors that are in the checkpoint and not in the network, each with the
            reason.
        of_leads: Makes the network that reads some of its leads, by their places in
            ``input.leads``; None where it needs all.
        order: Order of the tokens that stand for the signal: over time, each of all leads; lead by
            lead, the same number for each; or over leads joined end to end, some of two leads.
    """

    card: Card
    network: LayeredNetwork
    layers: tuple[Layer, ...]
    input: Preprocessing
    build: Callable[[], LayeredNetwork]
    norm: str | None = None
    head: nn.Module | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    of_leads: Callable[[LayeredNetwork, Sequence[int]], LayeredNetwork] | None = None
    order: Literal["over time", "lead by lead", "joined"] = "over time"


@dataclass(frozen=True)
class Family:
    """A family of published models that one file of this folder opens.

    Attributes:
        cards: Cards of its members.
        recognises: Tells the content of its checkpoints from others', by names of tensors.
        open: Reads a checkpoint's content: nested dictionaries of tensors and plain values. The
            path is for messages.
    """

    cards: tuple[Card, ...]
    recognises: Callable[[Mapping[str, Any]], bool]
    open: Callable[[Mapping[str, Any], Path], Opened]


@dataclass(frozen=True, eq=False)
class PublishedEncoder:
    """A published encoder; see ``ECGEncoder`` for what its members promise.

    Attributes:
        name: Its name in tables.
        opened: What its family read from the checkpoint.
        random: Seed of its weights, where they are random.
    """

    name: str
    opened: Opened
    random: int | None = None

    @property
    def network(self) -> LayeredNetwork:
        return self.opened.network

    @property
    def input(self) -> Preprocessing:
        return self.opened.input

    @property
    def layers(self) -> tuple[Layer, ...]:
        return self.opened.layers

    @property
    def norm(self) -> nn.Module:
        norm = self.opened.norm
        return nn.Identity() if norm is None else self.network.get_submodule(norm)

    @property
    def pretrained_on(self) -> PretrainedOn:
        if self.random is not None:
            return trained_on_nothing()
        return PretrainedOn(None, self.opened.card.pretrained_on)

    @cached_property
    def info(self) -> EncoderInfo:
        widths = {layer.width for layer in self.layers}
        return EncoderInfo(
            name=self.name,
            hash=weights_hash(self.network, self.input, f"{self.layers} {_settings(self.network)}"),
            random=self.random is not None,
            layers=len(self.layers),
            layer_names=own_names(self.layers),
            ends=self.opened.card.layers,
            width=widths.pop() if len(widths) == 1 else None,
            preset=self.opened.card.name,
            datasets=self.pretrained_on.datasets,
            leak_check=self.pretrained_on.leak_check,
        )

    def hidden_states(self, signals: Signals) -> Iterator[Tokens]:
        for tokens in self.network.states(signals):
            yield self.network.signal_tokens(tokens)

    def pool(self, tokens: Tokens) -> Representation:
        return tokens.mean(dim=1)

    def grid(self, tokens: int) -> TokenGrid:
        places = self.network.signal_tokens(torch.arange(tokens).float().view(1, -1, 1)).flatten()
        rows = len(self.input.leads) if self.opened.order == "lead by lead" else 1
        times = len(places) // rows
        seconds = self.input.samples / self.input.rate / times
        joined = self.opened.order == "joined"
        return TokenGrid(places.long().view(rows, times), None if joined else seconds)

    def with_leads(self, leads: Sequence[str]) -> "PublishedEncoder":
        stated, opened = self.input.leads, self.opened
        places = [place for place, lead in enumerate(stated) if lead in leads]
        if len(places) == len(stated):
            return self
        if opened.of_leads is None or not places:
            raise InputError(
                f"{self.name} needs all of its leads ({', '.join(stated)}); "
                f"{', '.join(leads)} are too few"
            )
        kept = replace(self.input, leads=tuple(stated[place] for place in places))
        of_leads, build = opened.of_leads, opened.build
        fewer = replace(
            opened,
            network=of_leads(self.network, places),
            input=kept,
            build=lambda: of_leads(build(), places),
        )
        return replace(self, opened=fewer)

    def randomised(self, seed: int) -> "PublishedEncoder":
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = self.opened.build().eval()
        opened = replace(self.opened, network=network, head=None)
        return replace(self, name=f"random-{self.name}-{seed}", opened=opened, random=seed)


def _settings(network: nn.Module) -> list[Any]:
    """List what fixes a network's function beside its weights: heads, epsilons, strides."""
    kinds = (int, float, str, tuple)
    return [
        (name, type(module).__name__, key, value)
        for name, module in network.named_modules()
        for key, value in sorted(vars(module).items())
        if key != "training" and (isinstance(value, kinds) or is_dataclass(value))
    ]


class LeadwisePublishedEncoder(PublishedEncoder):
    """A published encoder whose tokens belong to single leads."""

    def by_lead(self, tokens: Tokens) -> LeadTokens:
        return tokens.unflatten(1, (len(self.input.leads), -1))


class TimewisePublishedEncoder(PublishedEncoder):
    """A published encoder whose tokens are of all leads, in the order of time."""

    def by_time(self, tokens: Tokens) -> LeadTokens:
        return tokens[:, None]


_KINDS: Mapping[str, type[PublishedEncoder]] = {
    "over time": TimewisePublishedEncoder,
    "lead by lead": LeadwisePublishedEncoder,
    "joined": PublishedEncoder,
}


def encoder_of(opened: Opened, name: str) -> PublishedEncoder:
    """Return the encoder of a checkpoint that was read."""
    return _KINDS[opened.order](name, opened)
