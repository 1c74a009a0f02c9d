"""Settings of pretraining that go together, and those that do not."""

import re
from typing import Any

import pytest
import torch

from myocard.errors import InputError
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.objectives.masked import MIXTURES
from myocard.nn.sizes import SIZES
from myocard.pretraining.objectives import OBJECTIVES, check_recipe
from myocard.pretraining.pretrain import build, pretrain
from myocard.recipe import CorpusPart, PretrainRecipe

MASKED = ("mae", "mtae", "mlae", "mae-rlm", "mtae-rlm")
OTHERS = tuple(name for name in OBJECTIVES if name not in MASKED)


def recipe(**changes: Any) -> PretrainRecipe:
    content = {"name": "some", "corpus": [{}], "size": "nano", **changes}
    return PretrainRecipe.model_validate(content)


def accumulating(steps: int) -> dict[str, Any]:
    default = PretrainRecipe.model_fields["optimisation"].default
    return default.model_copy(update={"accumulate": steps}).model_dump()


def settings(name: str) -> list[dict[str, Any]]:
    """Settings that an objective may have, as its kind allows."""
    found: list[dict[str, Any]] = [{}]
    if name in MASKED:
        found += [{"mixture": "mean"}, {"mixture": "mean", "mixture_layers": 8}]
        found += [{"optimisation": accumulating(2)}]
    if name in (*MASKED, "jepa"):
        found += [{"initialisation": "aligned"}]
    if name in ("mae", "mtae"):
        found += [{"decoder": "hidden"}]
    if name not in ("mlae", "cmlc"):
        found += [{"input": {"leads": ["II"]}}]
    return found


@pytest.mark.parametrize(
    ("name", "changes"), [(name, changes) for name in OBJECTIVES for changes in settings(name)]
)
def test_settings_that_go_together_give_a_loss(name, changes):
    wanted = recipe(objective=name, **changes)
    check_recipe(wanted)
    leads = wanted.input.preprocessing().leads[:4]
    torch.manual_seed(3)
    encoder = Encoder(EncoderShape.of_size("nano", samples=400, patch=50))
    loss = OBJECTIVES[name].build(encoder, wanted)(torch.randn(4, len(leads), 400), leads).loss
    assert torch.isfinite(loss)


def test_objectives_that_complete_what_is_hidden_are_told_from_the_others():
    assert tuple(name for name, each in OBJECTIVES.items() if each.masked) == MASKED


@pytest.mark.parametrize("name", OTHERS)
def test_without_a_decoder_nothing_is_mixed_for_it(name):
    told = f"encoder 'some': objective {name!r} has no decoder, so `mixture` cannot be set"
    with pytest.raises(InputError, match=re.escape(told)):
        check_recipe(recipe(objective=name, mixture="mean"))


@pytest.mark.parametrize("name", OTHERS)
def test_negatives_and_slow_copies_do_not_add_up_over_forward_passes(name):
    told = f"encoder 'some': optimisation.accumulate must be 1 for {name!r}: "
    with pytest.raises(InputError, match=told):
        check_recipe(recipe(objective=name, optimisation=accumulating(2)))


@pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in ("mae", "mtae")])
def test_a_decoder_of_hidden_patches_needs_as_much_hidden_of_every_lead(name):
    told = f'decoder = "hidden" is for objectives that hide as much of every lead, not {name!r}'
    with pytest.raises(InputError, match=told):
        check_recipe(recipe(objective=name, decoder="hidden"))


@pytest.mark.parametrize("name", ["mlae", "cmlc"])
def test_objectives_across_leads_need_two(name):
    with pytest.raises(InputError, match=f"objective {name!r} needs 2 leads or more"):
        check_recipe(recipe(objective=name, input={"leads": ["II"]}))
    check_recipe(recipe(objective=name, input={"leads": ["II", "V1"]}))


def test_layers_of_a_mean_are_for_a_mean():
    with pytest.raises(InputError, match='mixture_layers is for mixture = "mean"'):
        check_recipe(recipe(mixture_layers=3))
    check_recipe(recipe(mixture_layers=3, mixture="mean"))


@pytest.mark.parametrize("size", SIZES)
def test_no_more_layers_are_averaged_than_there_are(size):
    depth = SIZES[size].depth
    check_recipe(recipe(size=size, mixture="mean", mixture_layers=depth))
    told = f"mixture_layers = {depth + 1}: {size!r} has {depth} blocks"
    with pytest.raises(InputError, match=told):
        check_recipe(recipe(size=size, mixture="mean", mixture_layers=depth + 1))


@pytest.mark.parametrize(
    ("changes", "what", "choices"),
    [
        ({"objective": "mea"}, "objective 'mea'", OBJECTIVES),
        ({"mixture": "max"}, "mixture 'max'", MIXTURES),
    ],
)
def test_a_name_that_is_not_registered_lists_the_choices(changes, what, choices):
    told = re.escape(f"no {what}; there are {', '.join(choices)}") + "$"
    with pytest.raises(InputError, match=told):
        check_recipe(recipe(**changes))


def test_what_does_not_go_together_is_refused_before_anything_is_written(store, tmp_path):
    wrong = recipe(objective="simclr", mixture="mean", corpus=[CorpusPart()])
    with pytest.raises(InputError, match="'simclr' has no decoder"):
        pretrain(wrong, {"sim": store}, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_aligned_start_is_the_slow_copys_too():
    model = build(recipe(objective="jepa", initialisation="aligned"))
    for name, value in model.encoder.state_dict().items():
        assert torch.equal(model.target_encoder.state_dict()[name], value), name


@pytest.mark.parametrize("name", sorted(set(OTHERS) - {"jepa"}))
def test_an_aligned_start_is_for_what_was_found_to_learn_from_it(name):
    with pytest.raises(InputError, match="aligned"):
        check_recipe(recipe(objective=name, initialisation="aligned"))
