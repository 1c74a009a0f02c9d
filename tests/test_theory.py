"""The claims that docs/theory.md proves, checked with the readouts as they are."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from sklearn.linear_model import Ridge
from torch import nn

from myocard.nn.readouts.pooled import PMA, FixedMixture, single_layer
from myocard.nn.readouts.registry import build_readout
from myocard.report.topics.theory import ALIGNMENT, MEASURES

WIDTH, DEPTH = 4, 2
THEORY = Path(__file__).parents[1] / "docs/theory.md"


def two_layers() -> tuple[torch.Tensor, np.ndarray]:
    """The example: y is in layer 1 for records of kind +1, in layer 2 for kind -1.

    Returns:
        States of the eight equally likely records, (8, 3, 4), and y.
    """
    signs = torch.tensor([1.0, -1.0])
    label, kind, noise = (x.flatten() for x in torch.meshgrid(signs, signs, signs, indexing="ij"))
    first, second = torch.where(kind > 0, label, noise), torch.where(kind > 0, noise, label)
    layers = [torch.stack([c, -c, kind, -kind], dim=1) for c in (kind, first, second)]
    return torch.stack(layers, dim=1), label.numpy()


def best_accuracy(features: torch.Tensor, label: np.ndarray) -> float:
    """The largest share of the records that some linear head, with bias, gets right."""
    signed = np.c_[features.detach().double().numpy(), np.ones(len(label))] * label[:, None]
    for right in range(len(label), 0, -1):
        for chosen in combinations(range(len(label)), right):
            rows = signed[list(chosen)]
            found = linprog(
                np.zeros(rows.shape[1]), A_ub=-rows, b_ub=-np.ones(right), bounds=(None, None)
            )
            if found.success:
                return right / len(label)
    return 0.0


def test_a_gate_reads_what_no_layer_no_static_mix_and_no_linear_head_on_both_can():
    states, label = two_layers()
    norm = nn.LayerNorm(WIDTH)
    accuracy = {
        share: best_accuracy(
            FixedMixture(norm, WIDTH, torch.tensor([0, share, 1 - share]))(states), label
        )
        for share in torch.linspace(0, 1, 11).tolist()
    }
    assert accuracy[0.0] == accuracy[1.0] == 3 / 4
    assert max(accuracy.values()) == 7 / 8
    assert best_accuracy(build_readout("concat", norm, WIDTH, DEPTH)(states), label) == 7 / 8
    gated = PMA(norm, WIDTH, DEPTH)
    gated.gate = nn.Linear(WIDTH, DEPTH)
    with torch.no_grad():
        gated.gate.weight.copy_(torch.tensor([[50.0, 0, 0, 0], [-50, 0, 0, 0]]))
        gated.gate.bias.zero_()
    assert best_accuracy(gated(states), label) == 1


def test_the_norm_after_a_mixture_is_a_positive_factor_for_each_record(generator):
    states = torch.randn(50, 4, WIDTH, generator=generator)
    shares = torch.tensor([0, 0.5, 0.2, 0.3])
    norm = nn.LayerNorm(WIDTH)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    head, bias = torch.randn(WIDTH, generator=generator), 0.7
    scores = FixedMixture(norm, WIDTH, shares)(states) @ head + bias
    mixed = torch.einsum("l,bld->bd", shares, states)
    scale = (mixed.var(dim=1, correction=0) + norm.eps).sqrt()
    folded = norm.weight * head
    folded = folded - folded.mean()
    linear = torch.einsum("l,d,bld->b", shares, folded, states)
    constant = norm.bias @ head + bias
    assert torch.allclose(scores * scale, linear + constant * scale, atol=1e-5)
    # Without a constant the sign is the linear head's; the order of records is not.
    centred = scores - constant
    assert torch.equal(centred > 0, linear > 0)
    assert not torch.equal(centred.argsort(), linear.argsort())


def test_a_single_layer_is_a_mixture_and_a_part_of_the_concatenation_also_with_the_norm(generator):
    states = torch.randn(20, 4, WIDTH, generator=generator)
    norm = nn.LayerNorm(WIDTH)
    nn.init.normal_(norm.weight)
    alone = single_layer(norm, WIDTH, 3, 2)(states)
    mixed = FixedMixture(norm, WIDTH, torch.tensor([0.0, 0, 1, 0]))(states)
    concatenated = build_readout("concat", norm, WIDTH, 3)(states)
    assert torch.equal(alone, mixed)
    assert torch.allclose(alone, concatenated.unflatten(1, (3, WIDTH))[:, 1], atol=1e-6)


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_training_risk_falls_from_layer_to_mixture_to_concatenation_also_when_penalised(penalty):
    rng = np.random.default_rng(0)
    layers, target = rng.normal(size=(3, 40, 5)), rng.normal(size=40)

    def risk(features: np.ndarray) -> float:
        fitted = Ridge(penalty).fit(features, target)
        residual = target - fitted.predict(features)
        return float(residual @ residual + penalty * fitted.coef_ @ fitted.coef_)

    mixtures = [np.tensordot(a, layers, 1) for a in rng.dirichlet(np.ones(3), size=40)]
    singles = [risk(layer) for layer in layers]
    mixed = min(*map(risk, mixtures), *singles)
    assert risk(np.concatenate(layers, axis=1)) <= mixed <= min(singles)


def test_complexities_lie_below_their_bounds_and_grow_in_the_order_of_the_nesting():
    rng = np.random.default_rng(1)
    records, depth, width = 200, 12, 20
    states = rng.normal(size=(depth, records, width))
    states /= np.linalg.norm(states, axis=2, keepdims=True)
    signs = rng.choice([-1.0, 1.0], size=(500, records))
    sums = np.einsum("sr,lrw->slw", signs, states) / records
    single = np.linalg.norm(sums, axis=2).mean(axis=0).max()
    mixture = np.linalg.norm(sums, axis=2).max(axis=1).mean()
    concatenation = np.sqrt(np.square(sums).sum(axis=(1, 2))).mean()
    one = 1 / np.sqrt(records)
    assert single <= one
    assert single < mixture <= one * (1 + np.sqrt(2 * np.log(depth)))
    assert mixture < concatenation <= one * np.sqrt(depth)


def test_the_document_says_what_the_report_says_of_every_measure():
    document = " ".join(THEORY.read_text().split())
    for measure in MEASURES:
        assert f"**{measure.label}.** {measure.theory}" in document
    assert ALIGNMENT in document
