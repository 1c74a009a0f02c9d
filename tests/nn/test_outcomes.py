"""Losses against PyTorch's and scikit-survival's; unknown targets add nothing."""

from typing import get_args

import numpy as np
import pytest
import torch
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv
from torch.nn import functional

from myocard.nn.outcomes import LIKELIHOODS
from myocard.outcomes import Outcome

RECORDS, OUTPUTS = 40, 3


@pytest.fixture
def logits(generator) -> torch.Tensor:
    return torch.randn(RECORDS, OUTPUTS, generator=generator)


def targets_of(outcome: str, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.randn(RECORDS, OUTPUTS, generator=generator)
    if outcome == "one":
        return functional.one_hot(drawn.argmax(dim=1), OUTPUTS).float()
    if outcome == "time":
        return (drawn.abs() * 10 + 1).round() * drawn.sign()
    return (drawn > 0).float() if outcome == "any" else drawn


def test_the_loss_of_one_class_is_pytorchs_cross_entropy(logits, generator):
    targets = targets_of("one", generator)
    expected = functional.cross_entropy(logits, targets.argmax(dim=1), reduction="none")
    assert torch.allclose(LIKELIHOODS["one"].loss(logits, targets), expected)
    assert torch.allclose(LIKELIHOODS["one"].scores(logits).sum(dim=1), torch.ones(RECORDS))


def test_the_loss_of_many_classes_is_the_sum_of_their_binary_cross_entropies(logits, generator):
    targets, chance = targets_of("any", generator), LIKELIHOODS["any"].scores(logits)
    expected = functional.binary_cross_entropy(chance, targets, reduction="none").sum(dim=1)
    assert torch.allclose(LIKELIHOODS["any"].loss(logits, targets), expected, atol=1e-5)


def test_the_loss_of_a_number_is_half_its_squared_error(logits, generator):
    targets = targets_of("number", generator)
    expected = functional.mse_loss(logits, targets, reduction="none").sum(dim=1) / 2
    assert torch.allclose(LIKELIHOODS["number"].loss(logits, targets), expected)


def test_the_loss_of_times_is_breslows_partial_likelihood_by_its_definition(logits, generator):
    targets = targets_of("time", generator)
    found = LIKELIHOODS["time"].loss(logits, targets)
    for row in range(RECORDS):
        expected = 0.0
        for logit, target in zip(logits.T, targets.T, strict=True):
            if target[row] > 0:
                at_risk = logit[target.abs() >= target[row].abs()]
                expected += float(at_risk.logsumexp(dim=0) - logit[row])
        assert float(found[row]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_slopes_are_those_of_the_summed_loss(logits, generator, outcome):
    targets = targets_of(outcome, generator)
    if outcome != "one":
        targets[::5, 0] = torch.nan
    leaf = logits.clone().requires_grad_()
    LIKELIHOODS[outcome].loss(leaf, targets).sum().backward()
    assert torch.allclose(LIKELIHOODS[outcome].slopes(logits, targets), leaf.grad, atol=1e-5)


@pytest.mark.parametrize("outcome", ["any", "number", "time"])
def test_unknown_targets_are_as_if_their_records_were_not_there(logits, generator, outcome):
    likelihood, targets = LIKELIHOODS[outcome], targets_of(outcome, generator)
    targets[25:] = torch.nan
    found = likelihood.loss(logits, targets)
    assert torch.allclose(found[:25], likelihood.loss(logits[:25], targets[:25]))
    assert (found[25:] == 0).all()
    assert torch.allclose(likelihood.start(targets), likelihood.start(targets[:25]))


@pytest.mark.parametrize("outcome", get_args(Outcome))
def test_members_that_are_stacked_have_the_losses_that_they_have_alone(logits, generator, outcome):
    likelihood, targets = LIKELIHOODS[outcome], targets_of(outcome, generator)
    both = likelihood.loss(torch.stack([logits, -logits]), targets.expand(2, -1, -1))
    alone = torch.stack([likelihood.loss(each, targets) for each in (logits, -logits)])
    assert torch.allclose(both, alone, atol=1e-5)


def test_the_partial_likelihood_is_highest_where_scikit_survivals_coefficients_are(generator):
    features = torch.randn(200, 2, generator=generator)
    times = torch.distributions.Exponential((features @ torch.tensor([0.8, -0.5])).exp()).sample()
    times, seen = (times * 20).ceil(), torch.rand(200, generator=generator) < 0.7
    oracle = CoxPHSurvivalAnalysis(ties="breslow", tol=1e-12)
    oracle.fit(features.numpy(), Surv.from_arrays(seen.numpy(), times.numpy()))
    weights = torch.tensor(oracle.coef_, dtype=torch.float32).requires_grad_()
    targets = torch.where(seen, times, -times)[:, None]
    LIKELIHOODS["time"].loss((features @ weights)[:, None], targets).mean().backward()
    assert np.abs(weights.grad.numpy()).max() < 1e-4
