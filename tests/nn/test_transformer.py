"""The block against PyTorch's own."""

import pytest
import torch
from torch import nn

from myocard.nn.transformer import Block, CrossAttention, initialise


def twin(block: Block, width: int, heads: int) -> nn.TransformerEncoderLayer:
    """PyTorch's pre-norm layer with the weights of ``block``."""
    layer = nn.TransformerEncoderLayer(
        width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
    )
    pairs = {
        "self_attn.in_proj_": block.attention.qkv,
        "self_attn.out_proj.": block.attention.out,
        "linear1.": block.mlp[0],
        "linear2.": block.mlp[2],
        "norm1.": block.attention_norm,
        "norm2.": block.mlp_norm,
    }
    weights = {f"{k}{n}": v for k, module in pairs.items() for n, v in module.state_dict().items()}
    layer.load_state_dict(weights)
    return layer


@pytest.mark.parametrize(("width", "heads"), [(12, 3), (16, 1), (32, 4)])
def test_a_block_equals_pytorchs_layer_with_the_same_weights(width, heads):
    torch.manual_seed(0)
    block = Block(width, heads)
    for vector in (p for p in block.parameters() if p.ndim == 1):
        nn.init.normal_(vector)  # so that no norm or bias is idle
    tokens = torch.randn(3, 7, width, requires_grad=True)
    twins = tokens.detach().clone().requires_grad_()
    found, expected = block(tokens), twin(block, width, heads)(twins)
    assert torch.allclose(found, expected, atol=1e-5)
    found.square().sum().backward()
    expected.square().sum().backward()
    assert torch.allclose(tokens.grad, twins.grad, rtol=1e-4, atol=1e-4)


def test_attention_over_others_equals_pytorchs():
    torch.manual_seed(0)
    attention, twin = CrossAttention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    weight = torch.cat([attention.query.weight, attention.key_value.weight])
    bias = torch.cat([attention.query.bias, attention.key_value.bias])
    twin.load_state_dict(
        {"in_proj_weight": weight, "in_proj_bias": bias}
        | {f"out_proj.{k}": v for k, v in attention.out.state_dict().items()}
    )
    tokens, others = torch.randn(2, 5, 12), torch.randn(2, 9, 12)
    expected, _ = twin(tokens, others, others)
    assert torch.allclose(attention(tokens, others), expected, atol=1e-6)


def test_tokens_that_are_permuted_come_out_permuted(generator):
    torch.manual_seed(0)
    block = Block(12, 3)
    tokens = torch.randn(2, 9, 12, generator=generator)
    order = torch.randperm(9, generator=generator)
    assert torch.allclose(block(tokens[:, order]), block(tokens)[:, order], atol=1e-5)


def test_initialising_draws_xavier_weights_and_zero_biases():
    linear = nn.Linear(30, 90)
    initialise(linear)
    bound = (6 / 120) ** 0.5
    assert linear.weight.abs().max() <= bound
    assert linear.weight.abs().max() > 0.95 * bound
    assert not linear.bias.any()
