"""How far a gate is from a static mix, by number and by score."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn

from myocard.evaluation.probing.jobs import Job, Trained
from myocard.evaluation.probing.mixing import by_code, by_record, departure, static_twins, weigh
from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import build_readout
from myocard.recipe import Optimisation, ProbeRecipe
from myocard.tasks.cohort import Cohort

SEEDS, RECORDS, DEPTH, WIDTH, CLASSES = 2, 60, 3, 8, ("a", "b")


@pytest.fixture
def weights() -> np.ndarray:
    drawn = np.random.default_rng(3).dirichlet(np.ones(DEPTH), size=(SEEDS, RECORDS))
    return np.concatenate([np.zeros((SEEDS, RECORDS, 1)), drawn], axis=2)


def shares(*rows: list[float]) -> np.ndarray:
    return np.array([[[0.0, *row] for row in rows]])


def test_entropy_is_that_of_scipy_and_runs_from_one_layer_to_equal_shares(weights):
    found = departure(weights)["entropy"]
    expected = entropy(weights, axis=2)
    assert found["mean"] == pytest.approx(expected.mean())
    assert found["quantiles"]["0.5"] == pytest.approx(np.median(expected, axis=1).mean())
    assert 0 < found["share"] < 1
    assert departure(shares([0, 1, 0], [1, 0, 0]))["entropy"]["mean"] == 0
    assert departure(shares([1 / 3] * 3))["entropy"]["share"] == pytest.approx(1)


def test_divergence_is_what_a_record_tells_about_its_weights(weights):
    mutual = [entropy(each.mean(axis=0)) - entropy(each, axis=1).mean() for each in weights]
    assert departure(weights)["divergence"] == pytest.approx(np.mean(mutual))


@pytest.mark.parametrize("row", [[0.2, 0.3, 0.5], [1, 0, 0], [1 / 3] * 3])
def test_nothing_diverges_if_and_only_if_all_records_have_the_same_weights(row):
    found = departure(shares(row, row, row))
    assert found["divergence"] == pytest.approx(0, abs=1e-12)
    assert found["between_records"] == pytest.approx(0, abs=1e-12)
    found = departure(shares(row, row, [0.25, 0.25, 0.5]))
    assert found["divergence"] > 1e-3
    assert found["between_records"] > 1e-3


def test_opposite_records_differ_in_all_that_a_static_mix_cannot_do():
    assert departure(shares([1, 0], [0, 1]))["between_records"] == pytest.approx(1)
    assert departure(shares([1, 0], [0, 1]))["divergence"] == pytest.approx(np.log(2))


def test_codes_of_five_records_or_more_have_mean_weights(weights):
    codes = [["scp:SR"]] * 5 + [["scp:AFIB", "scp:SR"]] * 4 + [["scp:AFIB"]] + [[]] * 50
    found = by_code(weights, codes)
    assert {code: each["records"] for code, each in found.items()} == {"scp:AFIB": 5, "scp:SR": 9}
    assert found["scp:SR"]["mean"] == pytest.approx(weights[:, :9].mean(axis=(0, 1)))
    assert by_code(weights[:, :4], [["scp:SR"]] * 4) == {}


def cohort() -> Cohort:
    rng = np.random.default_rng(4)
    rows = np.arange(RECORDS)
    parts = zip(("train", "validation", "test"), np.split(rows, [40, 50]), strict=True)
    ids = rows.astype(str).astype(object)
    targets = rng.random((RECORDS, 2)) < 0.5
    return Cohort("any", "made", CLASSES, {}, False, targets, dict(parts), ids, ids, {})


@pytest.fixture
def job(generator) -> Job:
    states = torch.randn(RECORDS, DEPTH + 1, WIDTH, generator=generator)
    how = Optimisation(epochs=2, batch=20, base_learning_rate=0.1, weight_decay=0, precision="fp32")
    recipe = ProbeRecipe(task="any", seeds=(0, 1), penalties=(0.01, 0.1), optimisation=how)
    norm = nn.LayerNorm(WIDTH).requires_grad_(requires_grad=False)
    return Job(norm, states, cohort(), recipe)


def trained(job: Job, readout: str, *, constant: bool = False) -> Trained:
    """Drawn, not trained: two seeds whose gates tell records apart, or do not."""
    classifiers = []
    for seed in job.recipe.seeds:
        torch.manual_seed(seed)
        drawn = build_readout(readout, job.norm, DEPTH)
        classifiers.append(Classifier(drawn, HEADS["linear"](WIDTH, 2)).eval())
        if isinstance(getattr(drawn, "gate", None), nn.Module):
            with torch.no_grad():
                drawn.gate[-1].weight.normal_(std=0 if constant else 2)
    scores = {}
    for split in ("validation", "test"):
        states = job.states[job.cohort.rows[split]]
        with torch.no_grad():
            scores[split] = torch.stack([c(states).sigmoid() for c in classifiers]).numpy()
    return Trained(classifiers, scores, [])


@pytest.mark.parametrize("readout", ["pma", "pma-last"])
def test_a_constant_gate_scores_as_its_own_mean(job, readout):
    made = trained(job, readout, constant=True)
    found = static_twins(made, "linear", job)["substituted"]
    for split, scores in made.scores.items():
        assert found[split] == pytest.approx(scores, abs=1e-6)


def test_the_substitute_is_the_mean_gate_of_the_training_records_under_the_same_head(job):
    made = trained(job, "pma")
    found = static_twins(made, "linear", job)["substituted"]
    assert not np.allclose(found["test"], made.scores["test"], atol=1e-3)
    train, test = (job.states[job.cohort.rows[split]] for split in ("train", "test"))
    for classifier, scores in zip(made.classifiers, found["test"], strict=True):
        with torch.no_grad():
            mean = classifier.readout.weights(train).mean(dim=0)
            mixed = sum(share * test[:, layer] for layer, share in enumerate(mean))
            expected = classifier.head(job.norm(mixed)).sigmoid()
        assert scores == pytest.approx(expected.numpy(), abs=1e-5)


def test_the_refitted_twin_is_trained_on_the_mean_weights(job):
    found = static_twins(trained(job, "pma"), "linear", job)["refitted"]
    assert {split: each.shape for split, each in found.items()} == {
        "validation": (2, 10, 2),
        "test": (2, 10, 2),
    }
    constant = trained(job, "pma", constant=True)
    mixtures = [[each.readout] for each in constant.classifiers]
    for (mixture,) in mixtures:
        mixture.requires_grad_(requires_grad=False)
    (expected,) = job.train("linear", mixtures, ["validation", "test"])
    refitted = static_twins(constant, "linear", job)["refitted"]
    assert refitted["test"] == pytest.approx(expected.scores["test"], abs=1e-5)


def test_a_mixture_without_a_gate_has_no_twins(job):
    assert static_twins(trained(job, "scalar-mix"), "linear", job) == {}


def test_the_table_of_weights_has_a_row_a_split_seed_and_record(job):
    made = trained(job, "pma")
    rows = job.cohort.rows
    weights = {name: weigh(made.classifiers, job, rows[name]) for name in ("validation", "test")}
    table = by_record(weights, job.cohort, job.recipe.seeds)
    layers = [f"layer:{layer}" for layer in range(DEPTH + 1)]
    assert table[layers].sum(axis=1).to_numpy() == pytest.approx(1)
    mine = table.query("split == 'test' and seed == 1")
    assert mine["id"].tolist() == job.cohort.ids[rows["test"]].tolist()
    with torch.no_grad():
        expected = made.classifiers[1].readout.weights(job.states[rows["test"]])
    assert mine[layers].to_numpy() == pytest.approx(expected.numpy())
