"""The named objectives of self-supervised pretraining, each around the same encoder."""

from collections.abc import Callable
from functools import partial

from torch import nn

from myocard.nn.encoder import Encoder
from myocard.nn.masked import (
    MIXTURES,
    AcrossLeads,
    Decoder,
    DecoderShape,
    MaskedAutoencoder,
    Mixture,
    mean_of_last,
)
from myocard.nn.masks import Masking, each_lead, half_the_leads, same_times, whole_leads
from myocard.recipe import PretrainRecipe
from myocard.zoo import DECODERS


def _masked(
    masking: Masking, decoder: Callable[[Encoder, DecoderShape], nn.Module] = Decoder
) -> Callable[[Encoder, PretrainRecipe], MaskedAutoencoder]:
    def build(encoder: Encoder, recipe: PretrainRecipe) -> MaskedAutoencoder:
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


OBJECTIVES: dict[str, Callable[[Encoder, PretrainRecipe], MaskedAutoencoder]] = {
    "mae": _masked(each_lead),
    "mtae": _masked(same_times),
    "mlae": _masked(whole_leads, AcrossLeads),
    "mae-rlm": _masked(partial(half_the_leads, masking=each_lead), AcrossLeads),
    "mtae-rlm": _masked(partial(half_the_leads, masking=same_times), AcrossLeads),
}
