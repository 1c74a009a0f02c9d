"""A torch module behind the encoder protocol, with all that its user stated of it."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from myocard.data.corpora import PretrainedOn, trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.hooks import Hooks, Returned, first_pass
from myocard.encoders.protocol import Layer, own_names, weights_hash
from myocard.encoders.redrawing import redrawn
from myocard.errors import InputError
from myocard.nn.shapes import Representation, Signals, Tokens
from myocard.results.run import EncoderInfo

Pool = Callable[[Tensor], Tensor]
Build = Callable[[], nn.Module]
FewerLeads = Callable[[nn.Module, Sequence[int]], nn.Module]

_ADDRESS = re.compile(r" at 0x\w+")


@dataclass(frozen=True, eq=False)
class WrappedEncoder:
    """A module behind the encoder protocol; see ``ECGEncoder`` for what its members promise.

    Attributes:
        name: Its name in tables.
        network: The module, in evaluation mode.
        input: The signals that it expects.
        layers: Name and width of each hidden state, in the order in which they are computed.
        read: Computes the states by name.
        pooling: Makes one vector for each record of ``(batch, tokens, width)``.
        final_norm: Name of the submodule that norms the last state; None where there is none.
        pretrained_on: Names of data sets, as far as they are known.
        of_leads: Makes the module that reads some of its leads, by their places in ``input.leads``;
            None where it needs all.
        build: Makes the module with random weights; None draws those of a copy again.
        random: True if its weights are random.
    """

    name: str
    network: nn.Module
    input: Preprocessing
    layers: tuple[Layer, ...]
    read: Hooks | Returned
    pooling: Pool
    final_norm: str | None
    pretrained_on: PretrainedOn
    of_leads: FewerLeads | None
    build: Build | None
    random: bool = False

    @property
    def norm(self) -> nn.Module:
        norm = self.final_norm
        return nn.Identity() if norm is None else self.network.get_submodule(norm)

    @cached_property
    def info(self) -> EncoderInfo:
        widths = {layer.width for layer in self.layers}
        functions = [_content(self.read.prepare), _content(self.pooling)]
        stated = repr((self.network, self.layers, self.read, self.final_norm, functions))
        return EncoderInfo(
            name=self.name,
            hash=weights_hash(self.network, self.input, _ADDRESS.sub("", stated)),
            random=self.random,
            layers=len(self.layers),
            layer_names=own_names(self.layers),
            width=widths.pop() if len(widths) == 1 else None,
            datasets=self.pretrained_on.datasets,
            leak_check=self.pretrained_on.leak_check,
        )

    def hidden_states(self, signals: Signals) -> Iterator[Tokens]:
        found = self.read(self.network, signals)
        for layer in self.layers:
            tokens = found.pop(layer.name)
            if tokens.shape[2] != layer.width:
                raise InputError(
                    f"{layer.name} gives {tuple(tokens.shape)}, and a width of {layer.width} in "
                    "the first pass; choose modules that keep theirs"
                )
            yield tokens

    def pool(self, tokens: Tokens) -> Representation:
        return self.pooling(tokens)

    def with_leads(self, leads: Sequence[str]) -> "WrappedEncoder":
        stated, of_leads, build = self.input.leads, self.of_leads, self.build
        kept = tuple(lead for lead in stated if lead in leads)
        if kept == stated:
            return self
        if of_leads is None or not kept:
            raise InputError(
                f"{self.name} needs all of its leads ({', '.join(stated)}); "
                f"{', '.join(leads)} are too few"
            )
        places = [stated.index(lead) for lead in kept]
        network, fewer = of_leads(self.network, places).eval(), replace(self.input, leads=kept)
        first_pass(network, fewer, self.read)
        return replace(
            self,
            network=network,
            input=fewer,
            build=None if build is None else lambda: of_leads(build(), places),
        )

    def randomised(self, seed: int) -> "WrappedEncoder":
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = redrawn(self.network) if self.build is None else self.build()
        if _shapes(network) != _shapes(self.network):
            raise InputError(
                f"{self.name}: build= gives a network of other weights, by name or size"
            )
        drawn = replace(
            self,
            name=f"random-{self.name}-{seed}",
            network=network.eval(),
            pretrained_on=trained_on_nothing(),
            random=True,
        )
        if drawn.info.hash == self.info.hash:
            raise InputError(
                f"{self.name}: its weights are those that seed {seed} draws, no baseline for it; "
                "give another seed"
            )
        return drawn


def _shapes(network: nn.Module) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in network.state_dict().items()}


def _content(function: Callable[..., Any]) -> Any:
    """Describe what a function does, so that two of one name differ."""
    code = getattr(function, "__code__", None)
    if code is None:
        return repr(function)
    held = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
    return [_steps(code), getattr(function, "__defaults__", None), held]


def _steps(code: CodeType) -> list[Any]:
    constants = [_steps(x) if isinstance(x, CodeType) else x for x in code.co_consts]
    return [code.co_code, code.co_names, constants]
