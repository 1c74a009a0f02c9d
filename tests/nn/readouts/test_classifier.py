"""A classifier is its head on its readout."""

import torch

from myocard.nn.readouts.classifier import Classifier
from myocard.nn.readouts.heads import HEADS
from myocard.nn.readouts.registry import build_readout


def test_a_classifier_of_pooled_states_or_of_tokens_is_its_head_on_its_readout(encoder, generator):
    torch.manual_seed(0)
    states = torch.randn(6, 4, 12, generator=generator)
    tokens = torch.randn(6, 1, 9, 12, generator=generator)
    for name, given in (("pma", states), ("attentive-tokens", tokens)):
        readout, head = build_readout(name, encoder.norm, 12, 3), HEADS["mlp"](12, 5)
        classifier = Classifier(readout, head).eval()
        assert classifier(given).shape == (6, 5)
        assert torch.equal(classifier(given), head(readout(given)))
