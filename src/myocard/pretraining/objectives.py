"""The named objectives of self-supervised pretraining, each around the same encoder."""

from collections.abc import Callable
from functools import partial

from torch import nn

from myocard.nn.encoder import Encoder
from myocard.nn.objectives.contrastive import Agreement, Contrastive, MoCo, both_ways, nt_xent
from myocard.nn.objectives.decoders import AcrossLeads, Decoder, DecoderShape, HiddenOnly
from myocard.nn.objectives.masked import MIXTURES, MaskedAutoencoder, Mixture, mean_of_last
from myocard.nn.objectives.masks import Masking, each_lead, half_the_leads, same_times, whole_leads
from myocard.nn.objectives.predictive import CPC, JEPA
from myocard.nn.objectives.views import Pair, two_augmentations, two_lead_sets, two_times
from myocard.nn.sizes import DECODERS
from myocard.recipe import PretrainRecipe

Objective = MaskedAutoencoder | Contrastive | MoCo | CPC | JEPA
"""A module with an ``encoder``; signals and leads in, something with a ``loss`` out."""

Build = Callable[[Encoder, PretrainRecipe], Objective]


def _masked(
    masking: Masking, full: Callable[[Encoder, DecoderShape], nn.Module] = Decoder
) -> Build:
    def build(encoder: Encoder, recipe: PretrainRecipe) -> MaskedAutoencoder:
        decoder = HiddenOnly if recipe.decoder == "hidden" else full
        return MaskedAutoencoder(
            encoder,
            decoder(encoder, DECODERS[recipe.size]),
            mixture=_mixture(recipe),
            masking=masking,
            mask_ratio=recipe.mask_ratio,
        )

    return build


def _mixture(recipe: PretrainRecipe) -> Mixture:
    if recipe.mixture_layers is None:
        return MIXTURES[recipe.mixture]
    return partial(mean_of_last, count=recipe.mixture_layers)


def _contrastive(pair: Pair, agreement: Agreement) -> Build:
    return lambda encoder, recipe: Contrastive(encoder, pair=pair, agreement=agreement)


def _jepa(encoder: Encoder, recipe: PretrainRecipe) -> JEPA:
    predictor = Decoder(encoder, DECODERS[recipe.size], outputs=encoder.shape.width)
    return JEPA(encoder, predictor, mask_ratio=recipe.mask_ratio)


OBJECTIVES: dict[str, Build] = {
    "mae": _masked(each_lead),
    "mtae": _masked(same_times),
    "mlae": _masked(whole_leads, AcrossLeads),
    "mae-rlm": _masked(partial(half_the_leads, masking=each_lead), AcrossLeads),
    "mtae-rlm": _masked(partial(half_the_leads, masking=same_times), AcrossLeads),
    "simclr": _contrastive(two_augmentations, nt_xent),
    "moco": lambda encoder, recipe: MoCo(encoder),
    "cmsc": _contrastive(two_times, both_ways),
    "cmlc": _contrastive(two_lead_sets, both_ways),
    "cpc": lambda encoder, recipe: CPC(encoder),
    "jepa": _jepa,
}
