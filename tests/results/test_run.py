"""A run's file says what was made from what, in one schema that is read as strictly as written."""

import json
import sys
from typing import Any

import numpy as np
import pytest

from myocard.errors import InputError
from myocard.recipe import FinetuneRecipe, NetworkRecipe, ProbeRecipe, RocketRecipe
from myocard.results.classifier import ClassifierShape
from myocard.results.run import (
    CodeWeights,
    EncoderInfo,
    Entropy,
    Hashes,
    LayerWeights,
    Run,
    TransferInfo,
)
from myocard.results.scoring import scored


@pytest.fixture
def made(cohort, scores):
    """Make a run; changes are of its fields."""

    def make(**changes: Any) -> Run:
        fields = {
            "kind": "probe",
            "name": "x",
            "encoder": EncoderInfo(name="small", hash="0a", layers=3, width=12),
            "readout": "last",
            "head": "linear",
            "leads": ("I", "II"),
            "hashes": Hashes(store="ff", encoder="0a"),
            "recipe": ProbeRecipe(task="any"),
            **scored(cohort, scores, (5, 6, 7), 50),
        }
        return Run(**fields | changes)

    return make


@pytest.mark.parametrize(
    "recipe",
    [
        ProbeRecipe(task="any", readouts=("pma",)),
        FinetuneRecipe(task="any"),
        RocketRecipe(task="any"),
        NetworkRecipe(task="any", model="s4d"),
    ],
    ids=lambda recipe: type(recipe).__name__,
)
def test_a_run_is_read_as_it_was_written(made, tmp_path, recipe):
    weights = LayerWeights(
        split="test",
        mean=(0, 0.4, 0.6),
        by_class={"a": (0, 0.5, 0.5), "b": None},
        by_code={"scp:SR": CodeWeights(records=7, mean=(0, 0.1, 0.9))},
        entropy=Entropy(mean=0.6, share=0.9, quantiles={"0.5": 0.7}),
    )
    run = made(
        recipe=recipe,
        layer_weights=weights,
        static_mixtures={"refitted": {"validation": 0.6, "test": 0.5}},
        transfer=TransferInfo(folds=(9, 10), stores=("here", "there")),
    )
    run.write(tmp_path)
    found = Run.read(tmp_path)
    assert found == run
    assert type(found.recipe) is type(recipe)


def test_a_run_says_what_it_was_made_of(made, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/bin/myocard", "probe", "a recipe.toml"])
    made().write(tmp_path)
    stated = json.loads((tmp_path / "run.json").read_text())
    assert (stated["schema"], stated["kind"], stated["name"]) == (3, "probe", "x")
    assert (stated["task"], stated["source"], stated["seeds"]) == ("any", "made", [5, 6, 7])
    assert stated["classes"] == ["a", "b"]
    assert stated["classes_left_out"] == {"c": "0 positives in test"}
    size = {"folds": [1], "records": 20, "patients": 10, "copies_dropped": 0}
    assert stated["splits"]["train"] == size
    assert {"python", "torch", "numpy", "myocard"} <= stated["versions"].keys()
    assert stated["command"] == "myocard probe 'a recipe.toml'"
    assert stated["recipe"]["task"] == "any"


def test_metrics_are_those_of_the_split_that_is_asked_for(made):
    run = made()
    assert run.metrics("validation") is run.validation
    assert run.metrics("test") is run.test
    assert made(test=None).metrics("test") is None


def test_the_shape_of_a_classifier_is_what_travels_with_its_weights(made):
    assert made(readout="layer", layer=2).shape == ClassifierShape(
        task="any", classes=("a", "b"), readout="layer", layer=2, head="linear"
    )


@pytest.mark.parametrize("wrong", [{"readout": "layer"}, {"layer": 2}])
def test_one_layer_and_no_other_readout_names_its_layer(made, wrong):
    with pytest.raises(ValueError, match='"layer" holds a number for the readout "layer"'):
        made(**wrong)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda stated: stated.pop("head"), "head: Field required"),
        (lambda stated: stated.update(schema=1), "schema: Input should be 3"),
        (lambda stated: stated.update(colour="red"), "colour: Extra inputs are not permitted"),
        (lambda stated: stated.update(kind="guess"), "kind: Input should be 'probe', 'fine"),
        (
            lambda stated: stated["test"]["scores"]["auroc"].pop("macro"),
            "test.scores.auroc.macro: Field required",
        ),
        (lambda stated: stated["encoder"].update(leak_check="some"), "encoder.leak_check: Input"),
    ],
)
def test_a_run_of_another_schema_names_its_file_and_the_place(made, tmp_path, change, told):
    made().write(tmp_path)
    stated = json.loads((tmp_path / "run.json").read_text())
    change(stated)
    (tmp_path / "run.json").write_text(json.dumps(stated))
    with pytest.raises(InputError, match=rf"run\.json: {told}.*, or run its program again"):
        Run.read(tmp_path)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_run_that_cannot_be_read_names_its_file(tmp_path, content):
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json.*; give the folder of a run"):
        Run.read(tmp_path)


def test_a_run_cannot_be_changed(made):
    with pytest.raises(ValueError, match="frozen"):
        made().name = "another"


def test_a_value_that_json_lacks_comes_back_as_undefined(made, cohort, scores, tmp_path):
    """A class without a positive on test has no score there, and the file stays plain JSON."""
    cohort.targets[cohort.rows["test"], 1] = False
    made(**scored(cohort, scores, (5, 6, 7), 50)).write(tmp_path)
    text = (tmp_path / "run.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    found = Run.read(tmp_path).test
    assert found.undefined == ("b",)
    assert found.main.by_class["b"].value is None
    assert np.isfinite(found.main.macro.value)
