"""The linear head is at its optimum, whatever the features look like."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from myocard.evaluation.probing.scales import AxisScales, FullScales
from myocard.evaluation.probing.solving import Regression, solve
from myocard.nn.outcomes import LIKELIHOODS

RECORDS, WIDTH, CLASSES = 300, 40, 3


@pytest.fixture
def features(generator) -> Tensor:
    """Few axes of much spread, many of little, and a feature that never changes."""
    axes = torch.randn(WIDTH, WIDTH, generator=generator) * torch.logspace(1, -3, WIDTH)
    drawn = torch.randn(RECORDS, WIDTH, generator=generator) @ axes.T + 5
    drawn[:, 0] = 7
    return drawn


@pytest.fixture
def classes(features, generator) -> Tensor:
    noise = torch.randn(RECORDS, CLASSES, generator=generator)
    return (features[:, 1 : CLASSES + 1] - 5 + 5 * noise).argmax(dim=1)


def standardised(features: Tensor) -> Tensor:
    return (features - features.mean(dim=0)) / (features.var(dim=0, correction=0) + 1e-5).sqrt()


def test_exclusive_classes_are_scikit_learns(features, classes):
    targets = torch.nn.functional.one_hot(classes).float()
    (head,) = solve(features, targets, [0.01], outcome="one")
    oracle = LogisticRegression(C=1 / (RECORDS * 0.01), tol=1e-8, max_iter=10000)
    oracle.fit(standardised(features).numpy(), classes.numpy())
    expected = oracle.predict_proba(standardised(features).numpy())
    assert head(features).softmax(dim=1).detach().numpy() == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("outcome", ["any", "one"])
def test_no_gradient_is_left_under_any_penalty_in_any_order(features, classes, outcome):
    targets = torch.nn.functional.one_hot(classes).float()
    penalties = [1e-3, 1.0, 1e-2]
    for head, penalty in zip(
        solve(features, targets, penalties, outcome=outcome), penalties, strict=True
    ):
        loss = LIKELIHOODS[outcome].loss(head(features), targets).mean()
        (loss + penalty * head[1].weight.square().sum() / 2).backward()
        for parameter in head.parameters():
            assert parameter.grad.abs().max() < 1e-3


def test_a_class_without_a_positive_and_no_penalty_end_in_numbers(features):
    targets = torch.zeros(RECORDS, 2)
    targets[:150, 1] = 1
    for head in solve(features, targets, [0.0, 1e-2], outcome="any"):
        assert head(features).isfinite().all()
        assert (head(features)[:, 0] < 0).all()


def test_fewer_records_than_features_can_be_solved(features, classes):
    few, targets = features[:10], torch.nn.functional.one_hot(classes, CLASSES).float()[:10]
    (head,) = solve(few, targets, [1e-2], outcome="any")
    assert ((head(few) > 0) == targets.bool()).all()


def scales_of(kind: str, features: Tensor, generator: torch.Generator) -> AxisScales | FullScales:
    if kind == "full":
        roots = torch.randn(CLASSES, WIDTH + 1, 50, generator=generator)
        return FullScales(roots @ roots.mT / 50, 0.01)
    _, values, axes = torch.svd_lowrank(standardised(features), q=10)
    return AxisScales((axes, values.square() / RECORDS), torch.tensor([0.2, 0.1, 0.01]), 0.01)


@pytest.mark.parametrize("kind", ["full", "axes"])
def test_stretching_undoes_shrinking(kind, features, generator):
    scales = scales_of(kind, features, generator)
    given = torch.randn(CLASSES, WIDTH + 1, generator=generator)
    assert torch.allclose(scales.stretch(scales.shrink(given)), given, atol=1e-4)


@pytest.mark.parametrize("kind", ["full", "axes"])
def test_slopes_are_derivatives_by_what_is_stretched(kind, features, generator):
    scales = scales_of(kind, features, generator)
    inner = torch.randn(CLASSES, WIDTH + 1, generator=generator, requires_grad=True)
    wanted = torch.randn(CLASSES, WIDTH + 1, generator=generator)
    (expected,) = torch.autograd.grad((scales.stretch(inner) * wanted).sum(), inner)
    assert torch.allclose(scales.slopes(wanted), expected, atol=1e-4)


def test_wide_features_are_solved_as_others(features, classes, monkeypatch):
    targets = torch.nn.functional.one_hot(classes).float()
    (full,) = solve(features, targets, [1e-2], outcome="any")
    monkeypatch.setattr("myocard.evaluation.probing.solving.WIDE", 0)
    (by_axes,) = solve(features, targets, [1e-2], outcome="any")
    assert torch.allclose(full(features), by_axes(features), atol=5e-3)


@pytest.mark.parametrize("outcome", ["number", "any"])
def test_the_gap_is_what_the_objective_falls_to_its_optimum(features, classes, outcome):
    targets = torch.nn.functional.one_hot(classes).float()
    regression = Regression(standardised(features), targets, outcome)
    found, _ = regression.minimise(0.1, regression.start())

    def objective(solution: Tensor) -> float:
        weights = solution[:, :-1]
        logits = torch.nn.functional.linear(regression.features, weights, solution[:, -1])
        loss = LIKELIHOODS[outcome].loss(logits.double(), targets).mean()
        return float(loss + 0.1 * weights.double().square().sum() / 2)

    assert regression.gap(found, 0.1) < 1e-6
    # Least squares are a parabola everywhere, other losses near the optimum alone.
    away = regression.start() if outcome == "number" else 0.98 * found
    fallen = objective(away) - objective(found)
    assert regression.gap(away, 0.1) == pytest.approx(fallen, rel=0.02)
