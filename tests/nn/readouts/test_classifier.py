"""Losses against PyTorch's; a classifier is its head on its readout."""

import torch
from torch.nn import functional

from myocard.nn.readouts.classifier import Classifier, classification_loss, probabilities
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import build_readout


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


def test_a_classifier_of_pooled_states_or_of_tokens_is_its_head_on_its_readout(encoder, generator):
    torch.manual_seed(0)
    states = torch.randn(6, 4, 12, generator=generator)
    tokens = torch.randn(6, 1, 9, 12, generator=generator)
    for name, given in (("pma", states), ("attentive-tokens", tokens)):
        readout, head = build_readout(name, encoder.norm, 12, 3), HEADS["mlp"](12, 5)
        classifier = Classifier(readout, head).eval()
        assert classifier(given).shape == (6, 5)
        assert torch.equal(classifier(given), head(readout(given)))
