"""The encoders that myocard pretrains: ST-MEM's Transformer behind the encoder protocol."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn

from myocard.data.corpora import PretrainedOn, trained_on_nothing
from myocard.data.signal import Preprocessing
from myocard.encoders.protocol import Layer, block_layers, weights_hash
from myocard.errors import InputError
from myocard.metrics.summary import Frozen
from myocard.nn.analysis.attention import TokenGrid
from myocard.nn.encoder import Encoder, align, patch_tokens
from myocard.nn.shapes import LeadTokens, Representation, Signals, Tokens
from myocard.recipe import FinetuneRecipe, PretrainRecipe
from myocard.results.run import EncoderInfo


class EffectiveRank(Frozen):
    """Effective rank (RankMe) of the last layer's normalised states of some corpus records.

    Attributes:
        value: The rank.
        bound: The rank below which the encoder counts as collapsed.
        width: Number of directions that there could be.
        records: Number of records.
    """

    value: float
    bound: float
    width: int
    records: int

    @property
    def collapsed(self) -> bool:
        return self.value < self.bound


class Origin(Frozen):
    """Origin of an encoder's weights; it travels in the checkpoint.

    Attributes:
        random: True if its weights are random.
        seed: Seed of its weights.
        preset: Name of its input.
        mixture: Layers that the decoder of its pretraining read, where nothing else differs from
            the published methods.
        pretraining: Hash of all of its pretraining but the mixture.
        sources: Records of each data set in its corpus.
        stores: Hash of each store of its corpus, by folder.
        effective_rank: Number of directions that its states use.
        recipe: Recipe of its pretraining or fine-tuning.
        start: Name of the encoder that a fine-tuning started from.
    """

    random: bool = False
    seed: int | None = None
    preset: str | None = None
    mixture: str | None = None
    pretraining: str | None = None
    sources: dict[str, int] | None = None
    stores: dict[str, str] = {}
    effective_rank: EffectiveRank | None = None
    recipe: PretrainRecipe | FinetuneRecipe | None = None
    start: str | None = None


@dataclass(frozen=True, eq=False)
class MyocardEncoder:
    """An encoder of this toolkit; see ``ECGEncoder`` for what its members promise.

    Attributes:
        name: Its name in tables.
        network: In evaluation mode.
        input: The signals that it expects.
        pretrained_on: Its corpus, record by record.
        origin: Origin of its weights.
    """

    name: str
    network: Encoder
    input: Preprocessing
    pretrained_on: PretrainedOn
    origin: Origin = Origin()

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        return block_layers(self.network.shape.width, self.network.shape.depth)

    @property
    def norm(self) -> nn.Module:
        return self.network.norm

    @cached_property
    def info(self) -> EncoderInfo:
        origin = self.origin
        return EncoderInfo(
            name=self.name,
            hash=weights_hash(self.network, self.input, repr(self.network.shape)),
            random=origin.random,
            mixture=origin.mixture,
            layers=len(self.layers),
            width=self.network.shape.width,
            preset=origin.preset,
            pretraining=origin.pretraining,
            sources=origin.sources,
            leak_check=self.pretrained_on.leak_check,
        )

    def hidden_states(self, signals: Signals) -> Iterator[Tokens]:
        for tokens in self.network.layers(self.network.tokens(signals, self.input.leads)):
            yield patch_tokens(tokens, len(self.input.leads)).flatten(1, 2)

    def by_lead(self, tokens: Tokens) -> LeadTokens:
        return tokens.unflatten(1, (len(self.input.leads), -1))

    def pool(self, tokens: Tokens) -> Representation:
        return self.by_lead(tokens).mean(dim=2).mean(dim=1)

    def grid(self, tokens: int) -> TokenGrid:
        leads, patch = len(self.input.leads), self.network.shape.patch
        places = torch.arange(tokens).view(leads, -1)[:, 1:-1]
        return TokenGrid(places, patch / self.input.rate)

    def with_leads(self, leads: Sequence[str]) -> "MyocardEncoder":
        kept = tuple(lead for lead in self.input.leads if lead in leads)
        if not kept:
            raise InputError(
                f"{self.name} reads {', '.join(self.input.leads)}: none of these is among "
                f"{', '.join(leads)}; choose another lead set"
            )
        return replace(self, input=replace(self.input, leads=kept))

    def randomised(self, seed: int) -> "MyocardEncoder":
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = Encoder(self.network.shape).eval()
            recipe = self.origin.recipe
            if isinstance(recipe, PretrainRecipe) and recipe.initialisation == "aligned":
                network.apply(align)
        origin = Origin(random=True, seed=seed, preset=self.origin.preset)
        name = f"random-{self.name}-{seed}"
        return MyocardEncoder(name, network, self.input, trained_on_nothing(), origin)
