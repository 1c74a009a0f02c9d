"""The named objectives of self-supervised pretraining, each around the same encoder."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from myocard.errors import InputError
from myocard.nn.encoder import Encoder
from myocard.nn.objectives.contrastive import Agreement, Contrastive, MoCo, both_ways, nt_xent
from myocard.nn.objectives.decoders import AcrossLeads, Decoder, DecoderShape, HiddenOnly
from myocard.nn.objectives.masked import MIXTURES, MaskedAutoencoder, Mixture, mean_of_last
from myocard.nn.objectives.masks import Masking, each_lead, half_the_leads, same_times, whole_leads
from myocard.nn.objectives.predictive import CPC, JEPA
from myocard.nn.objectives.views import Pair, two_augmentations, two_lead_sets, two_times
from myocard.nn.sizes import SIZES
from myocard.recipe import PretrainRecipe, choose

Model = MaskedAutoencoder | Contrastive | MoCo | CPC | JEPA
"""A module with an ``encoder``; signals and leads in, something with a ``loss`` out."""


@dataclass(frozen=True)
class Objective:
    """An objective of pretraining.

    Attributes:
        build: Wraps an encoder.
        masked: True if a decoder completes what is hidden.
        hides_alike: True if as much of every lead is hidden, as ``decoder = "hidden"`` needs.
        aligns: True if it was found to learn from an aligned start, as masked ones do.
        leads: Leads that it needs.
    """

    build: Callable[[Encoder, PretrainRecipe], Model]
    masked: bool = False
    hides_alike: bool = False
    aligns: bool = False
    leads: int = 1


def check_recipe(recipe: PretrainRecipe) -> None:
    """Refuse names that are not registered, and settings that do not go together.

    Raises:
        InputError: Naming the setting.
    """
    choose(OBJECTIVES, recipe.objective, "objective")
    choose(MIXTURES, recipe.mixture, "mixture")
    objective, name = OBJECTIVES[recipe.objective], repr(recipe.objective)
    depth = SIZES[recipe.size].depth
    problems = {
        'mixture_layers is for mixture = "mean"': recipe.mixture_layers is not None
        and recipe.mixture != "mean",
        f"objective {name} has no decoder, so `mixture` cannot be set": recipe.mixture != "last"
        and not objective.masked,
        f'decoder = "hidden" is for objectives that hide as much of every lead, not {name}': (
            recipe.decoder != "full" and not objective.hides_alike
        ),
        f'initialisation = "aligned" is for masked autoencoders and jepa, not {name}': (
            recipe.initialisation == "aligned" and not (objective.masked or objective.aligns)
        ),
        f"objective {name} needs {objective.leads} leads or more": objective.leads
        > len(recipe.input.preprocessing().leads),
        f"optimisation.accumulate must be 1 for {name}: its negatives and its slow copy go by the "
        "batch of one forward pass; use a larger batch": recipe.optimisation.accumulate > 1
        and not objective.masked,
        f"mixture_layers = {recipe.mixture_layers}: {recipe.size!r} has {depth} blocks": (
            recipe.mixture_layers or 1
        )
        > depth,
    }
    for problem, is_so in problems.items():
        if is_so:
            raise InputError(f"encoder {recipe.name!r}: {problem}")


def _masked(
    masking: Masking,
    full: Callable[[Encoder, DecoderShape], nn.Module] = Decoder,
    *,
    hides_alike: bool = False,
    leads: int = 1,
) -> Objective:
    def build(encoder: Encoder, recipe: PretrainRecipe) -> MaskedAutoencoder:
        decoder = HiddenOnly if recipe.decoder == "hidden" else full
        return MaskedAutoencoder(
            encoder,
            decoder(encoder, _decoder_shape(recipe)),
            mixture=_mixture(recipe),
            masking=masking,
            mask_ratio=recipe.mask_ratio,
        )

    return Objective(build, masked=True, hides_alike=hides_alike, leads=leads)


def _decoder_shape(recipe: PretrainRecipe) -> DecoderShape:
    return DecoderShape(*SIZES[recipe.size].decoder)


def _mixture(recipe: PretrainRecipe) -> Mixture:
    if recipe.mixture_layers is None:
        return MIXTURES[recipe.mixture]
    return partial(mean_of_last, count=recipe.mixture_layers)


def _contrastive(pair: Pair, agreement: Agreement, *, leads: int = 1) -> Objective:
    return Objective(
        lambda encoder, recipe: Contrastive(encoder, pair=pair, agreement=agreement), leads=leads
    )


def _jepa(encoder: Encoder, recipe: PretrainRecipe) -> JEPA:
    predictor = Decoder(encoder, _decoder_shape(recipe), outputs=encoder.shape.width)
    return JEPA(encoder, predictor, mask_ratio=recipe.mask_ratio)


OBJECTIVES: dict[str, Objective] = {
    "mae": _masked(each_lead, hides_alike=True),
    "mtae": _masked(same_times, hides_alike=True),
    "mlae": _masked(whole_leads, AcrossLeads, leads=2),
    "mae-rlm": _masked(partial(half_the_leads, masking=each_lead), AcrossLeads),
    "mtae-rlm": _masked(partial(half_the_leads, masking=same_times), AcrossLeads),
    "simclr": _contrastive(two_augmentations, nt_xent),
    "moco": Objective(lambda encoder, recipe: MoCo(encoder)),
    "cmsc": _contrastive(two_times, both_ways),
    "cmlc": _contrastive(two_lead_sets, both_ways, leads=2),
    "cpc": Objective(lambda encoder, recipe: CPC(encoder)),
    "jepa": Objective(_jepa, aligns=True),
}
