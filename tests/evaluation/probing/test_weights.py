"""A gate is as far from a static mix as its measures and the scores of static mixtures say."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn

from myocard.evaluation.probing.job import Job, Trained
from myocard.evaluation.probing.pooled import layer_weights, train_readouts
from myocard.evaluation.probing.weights import (
    by_code,
    by_record,
    measured_weights,
    static_mixtures,
)
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import build_readout
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.results.run import LayerWeights
from myocard.tasks.cohort import Cohort

SEEDS, RECORDS, DEPTH, WIDTH, CLASSES = 2, 60, 3, 8, ("a", "b")


@pytest.fixture
def weights() -> np.ndarray:
    drawn = np.random.default_rng(3).dirichlet(np.ones(DEPTH), size=(SEEDS, RECORDS))
    return np.concatenate([np.zeros((SEEDS, RECORDS, 1)), drawn], axis=2)


def shares(*rows: list[float]) -> np.ndarray:
    return np.array([[[0.0, *row] for row in rows]])


def cohort(*sizes: int) -> Cohort:
    """The first records for training, then validation, then test."""
    rows = np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1])
    ids = np.arange(sum(sizes)).astype(str).astype(object)
    return Cohort(
        task="any",
        source="made",
        classes=CLASSES,
        left_out={},
        outcome="any",
        targets=np.random.default_rng(4).random((sum(sizes), 2)).round(),
        rows=dict(zip(("train", "validation", "test"), rows, strict=False)),
        ids=ids,
        patients=ids,
        folds={},
    )


@pytest.fixture
def measured(made_features):
    """Measure given weights of records with given codes, as a probe's on validation."""

    def measure(weights: np.ndarray, codes: list[list[str]] | None = None) -> LayerWeights:
        count = weights.shape[1]
        codes = [["scp:SR"]] * count if codes is None else codes
        features = made_features(np.zeros((count, *weights.shape[2:], WIDTH)), codes, "made")
        job = Job(features, cohort(0, count), ProbeRecipe(task="any"))
        return measured_weights(Trained([], {}, {"validation": weights}, ()), job)

    return measure


def test_entropy_is_that_of_scipy_and_runs_from_one_layer_to_equal_shares(weights, measured):
    found = measured(weights).entropy
    expected = entropy(weights, axis=2)
    assert found.mean == pytest.approx(expected.mean())
    assert found.quantiles["0.5"] == pytest.approx(np.median(expected, axis=1).mean())
    assert 0 < found.share < 1
    assert measured(shares([0, 1, 0], [1, 0, 0])).entropy.mean == 0
    assert measured(shares([1 / 3] * 3)).entropy.share == pytest.approx(1)


def test_divergence_is_what_a_record_tells_about_its_weights(weights, measured):
    mutual = [entropy(each.mean(axis=0)) - entropy(each, axis=1).mean() for each in weights]
    assert measured(weights).divergence == pytest.approx(np.mean(mutual))


@pytest.mark.parametrize("row", [[0.2, 0.3, 0.5], [1, 0, 0], [1 / 3] * 3])
def test_nothing_diverges_if_and_only_if_all_records_have_the_same_weights(measured, row):
    found = measured(shares(row, row, row))
    assert found.divergence == pytest.approx(0, abs=1e-12)
    assert found.between_records == pytest.approx(0, abs=1e-12)
    found = measured(shares(row, row, [0.25, 0.25, 0.5]))
    assert found.divergence > 1e-3
    assert found.between_records > 1e-3


def test_opposite_records_differ_in_all_that_a_static_mix_cannot_do(measured):
    found = measured(shares([1, 0], [0, 1]))
    assert found.between_records == pytest.approx(1)
    assert found.divergence == pytest.approx(np.log(2))


def test_weights_are_averaged_over_seeds_records_and_each_classes_positives(weights, measured):
    found, positives = measured(weights), cohort(0, RECORDS).targets
    assert found.split == "validation"
    assert found.mean == pytest.approx(weights.mean(axis=(0, 1)))
    for column, name in enumerate(CLASSES):
        expected = weights[:, positives[:, column] == 1].mean(axis=(0, 1))
        assert found.by_class[name] == pytest.approx(expected)


def test_codes_of_five_records_or_more_have_mean_weights(weights, measured):
    codes = [["scp:SR"]] * 5 + [["scp:AFIB", "scp:SR"]] * 4 + [["scp:AFIB"]] + [[]] * 50
    found = measured(weights, codes).by_code
    assert {code: each.records for code, each in found.items()} == {"scp:AFIB": 5, "scp:SR": 9}
    assert found["scp:SR"].mean == pytest.approx(weights[:, :9].mean(axis=(0, 1)))
    assert by_code(weights[:, :4], [["scp:SR"]] * 4) == {}


@pytest.fixture
def job(generator, made_features) -> Job:
    states = torch.randn(RECORDS, DEPTH + 1, WIDTH, generator=generator).numpy()
    how = Optimisation(epochs=2, batch=20, base_learning_rate=0.1, weight_decay=0, precision="fp32")
    recipe = ProbeRecipe(task="any", seeds=(0, 1), penalties=(0.01, 0.1), optimisation=how)
    features = made_features(states, [["scp:SR"]] * RECORDS, "made")
    return Job(features, cohort(40, 10, 10), recipe, ("validation", "test"))


def states_of(job: Job, split: str) -> torch.Tensor:
    return job.source.pooled()[job.cohort.rows[split]].float()


def drawn(job: Job, readout: str, *, constant: bool = False) -> Trained:
    """Draw, and do not train, two seeds whose gates tell records apart, or do not."""
    classifiers = []
    for seed in job.recipe.seeds:
        torch.manual_seed(seed)
        made = build_readout(readout, job.source.norm, WIDTH, DEPTH)
        classifiers.append(Classifier(made, HEADS["linear"](WIDTH, 2)).eval())
        if isinstance(getattr(made, "gate", None), nn.Module):
            with torch.no_grad():
                made.gate[-1].weight.normal_(std=0 if constant else 2)
    scores, weights = {}, {}
    for split in ("validation", "test"):
        with torch.no_grad():
            each = [classifier(states_of(job, split)).sigmoid() for classifier in classifiers]
        scores[split] = torch.stack(each).numpy()
        weights[split] = layer_weights(job, classifiers, job.cohort.rows[split])
    return Trained(classifiers, scores, weights, ())


@pytest.mark.parametrize("readout", ["pma", "pma-last"])
def test_a_constant_gate_scores_as_its_own_mean(job, readout):
    made = drawn(job, readout, constant=True)
    found = static_mixtures(made, "linear", job)["substituted"]
    for split, scores in made.scores.items():
        assert found[split] == pytest.approx(scores, abs=1e-6)


def test_the_substitute_is_the_mean_gate_of_the_training_records_under_the_same_head(job):
    made = drawn(job, "pma")
    found = static_mixtures(made, "linear", job)["substituted"]
    assert not np.allclose(found["test"], made.scores["test"], atol=1e-3)
    train, test = (states_of(job, split) for split in ("train", "test"))
    for classifier, scores in zip(made.classifiers, found["test"], strict=True):
        with torch.no_grad():
            mean = classifier.readout.layer_weights(train).mean(dim=0)
            mixed = sum(share * test[:, layer] for layer, share in enumerate(mean))
            expected = classifier.head(job.source.norm(mixed)).sigmoid()
        assert scores == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_refitted_mixture_is_trained_on_the_mean_weights(job):
    found = static_mixtures(drawn(job, "pma"), "linear", job)["refitted"]
    assert {split: each.shape for split, each in found.items()} == {
        "validation": (2, 10, 2),
        "test": (2, 10, 2),
    }
    constant = drawn(job, "pma", constant=True)
    mixtures = [[each.readout] for each in constant.classifiers]
    for (mixture,) in mixtures:
        mixture.requires_grad_(requires_grad=False)
    (expected,) = train_readouts(job, "linear", mixtures)
    refitted = static_mixtures(constant, "linear", job)["refitted"]
    assert refitted["test"] == pytest.approx(expected.scores["test"], abs=1e-5)


def test_a_mixture_without_a_gate_has_no_static_mixtures(job):
    assert static_mixtures(drawn(job, "scalar-mix"), "linear", job) == {}


def test_the_table_of_weights_has_a_row_a_split_seed_and_record(job):
    made, rows = drawn(job, "pma"), job.cohort.rows["test"]
    table = by_record(made.layer_weights, job.cohort, job.recipe.seeds)
    layers = [f"layer:{layer}" for layer in range(DEPTH + 1)]
    assert table[layers].sum(axis=1).to_numpy() == pytest.approx(1)
    mine = table.query("split == 'test' and seed == 1")
    assert mine["id"].tolist() == job.cohort.ids[rows].tolist()
    with torch.no_grad():
        expected = made.classifiers[1].readout.layer_weights(states_of(job, "test"))
    assert mine[layers].to_numpy() == pytest.approx(expected.numpy())
