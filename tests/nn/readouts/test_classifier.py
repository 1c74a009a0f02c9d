"""Losses against PyTorch's; cached and live states classify alike."""

import torch
from torch.nn import functional

from myocard.nn.readouts.classifier import (
    Classifier,
    SignalClassifier,
    classification_loss,
    probabilities,
)
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.pooled import build_readout


def test_the_loss_of_exclusive_classes_is_pytorchs_cross_entropy(generator):
    logits = torch.randn(6, 4, generator=generator)
    answers = torch.tensor([0, 1, 2, 3, 1, 1])
    targets = functional.one_hot(answers, 4).float()
    expected = functional.cross_entropy(logits, answers, reduction="none")
    assert torch.allclose(classification_loss(logits, targets, exclusive=True), expected)


def test_the_loss_of_many_classes_is_the_sum_of_their_binary_cross_entropies(generator):
    logits = torch.randn(6, 4, generator=generator)
    targets = (torch.rand(6, 4, generator=generator) > 0.5).float()
    chance = probabilities(logits, exclusive=False)
    expected = functional.binary_cross_entropy(chance, targets, reduction="none").sum(dim=1)
    found = classification_loss(logits, targets, exclusive=False)
    assert torch.allclose(found, expected, atol=1e-5)


def test_probabilities_of_exclusive_classes_sum_to_one(generator):
    logits = torch.randn(6, 4, generator=generator)
    assert torch.allclose(probabilities(logits, exclusive=True).sum(dim=1), torch.ones(6))


def test_signals_and_their_cached_states_are_classified_alike(encoder, signals):
    torch.manual_seed(0)
    classifier = Classifier(build_readout("pma", encoder.norm, 3), HEADS["mlp"](12, 5)).eval()
    live = SignalClassifier(encoder, classifier).eval()
    assert torch.equal(live(signals), classifier(encoder.pooled(signals)))
    few = ("V1", "II")
    live = SignalClassifier(encoder, classifier, few).eval()
    assert torch.equal(live(signals[:, :2]), classifier(encoder.pooled(signals[:, :2], few)))
