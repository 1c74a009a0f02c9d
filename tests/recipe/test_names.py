"""Names in recipes: their registries are their one home, and refuse others listing the choices."""

import re
from collections.abc import Iterable

import pytest

from myocard.errors import InputError
from myocard.evaluation.baselines import train_baseline
from myocard.evaluation.baselines.networks import NETWORKS
from myocard.evaluation.finetune import finetune
from myocard.evaluation.probing import Stream, check_names, probe
from myocard.nn.readouts.heads import HEADS, TRAINABLE
from myocard.nn.readouts.registry import POOLED, READOUTS
from myocard.recipe import FinetuneRecipe, NetworkRecipe, ProbeRecipe, choose


def refusal(what: str, choices: Iterable[str]) -> str:
    return re.escape(f"no {what} 'lats'; there are {', '.join(choices)}") + "$"


def test_a_registered_name_is_taken_and_another_lists_the_choices():
    choose(("a", "b"), "b", "letter")
    with pytest.raises(InputError, match=refusal("letter", "ab")):
        choose(("a", "b"), "lats", "letter")


def test_every_registered_readout_and_head_may_be_probed():
    others = tuple(name for name in READOUTS if name != "loes")
    check_names(ProbeRecipe(task="x", readouts=(*others, "layers"), heads=tuple(HEADS)))
    check_names(ProbeRecipe(task="x", readouts=("loes",), heads=("linear",)))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"readouts": ("last", "lats")}, refusal("readout", (*READOUTS, "layers"))),
        ({"heads": ("lats",)}, refusal("head", HEADS)),
    ],
)
def test_an_unknown_readout_or_head_is_not_probed(encoder, store, tmp_path, names, message):
    recipe = ProbeRecipe(task="ptbxl-superdiagnostic", **names)
    with pytest.raises(InputError, match=message):
        probe(Stream(encoder, store), recipe, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"readout": "lats"}, refusal("readout", POOLED)),
        ({"head": "lats"}, refusal("head", TRAINABLE)),
    ],
)
def test_an_unknown_readout_or_head_is_not_finetuned(encoder, store, tmp_path, names, message):
    recipe = FinetuneRecipe(task="ptbxl-superdiagnostic", **names)
    with pytest.raises(InputError, match=message):
        finetune(recipe, encoder, store, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_baseline_is_not_trained(store, tmp_path):
    recipe = NetworkRecipe(task="ptbxl-superdiagnostic", model="lats")
    with pytest.raises(InputError, match=refusal("baseline", (*NETWORKS, "minirocket"))):
        train_baseline(store, recipe, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
