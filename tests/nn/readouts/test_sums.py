"""Weighted sums against einsum, alone and under every nesting of ``vmap`` that a stack has."""

from functools import partial
from itertools import product

import pytest
import torch
from torch.func import vmap

from myocard.nn.readouts.sums import weighted_sum, weighted_sums

BATCH, LAYERS, WIDTH = 5, 4, 6
NESTINGS = {
    "alone": ([], [], []),
    "one set of states": ([3], [], [(0, None)]),
    "states of their own": ([3], [3], [(0, 0)]),
    "one set of weights": ([], [3], [(None, 0)]),
    "seeds and variants": ([2, 3], [2], [(0, 0), (0, None)]),
    "as in a stack": ([2, 3, 4], [2, 3], [(0, 0), (0, 0), (0, None)]),
    "variants of variants": ([2, 3], [], [(0, None), (0, None)]),
    "weights from behind": ([3], [], [(-1, None)]),
}


SUMS = {"one": (weighted_sum, "bl,bld->bd", ()), "three": (weighted_sums, "bsl,bld->bsd", (3,))}


@pytest.fixture(params=product(NESTINGS, SUMS), ids="-".join)
def nested(request):
    """The sums under a nesting of ``vmap``, the same by einsum, and what both are given."""
    nesting, count = request.param
    mine, shared, dims = NESTINGS[nesting]
    ours, subscripts, sums = SUMS[count]
    theirs = partial(torch.einsum, subscripts)
    for dim in reversed(dims):
        ours, theirs = vmap(ours, in_dims=dim), vmap(theirs, in_dims=dim)
    torch.manual_seed(0)
    weights = torch.randn(*mine, BATCH, *sums, LAYERS, dtype=torch.float64)
    if dims and dims[0][0] == -1:
        weights = weights.movedim(0, -1)
    states = torch.randn(*shared, BATCH, LAYERS, WIDTH, dtype=torch.float64)
    return ours, theirs, weights.requires_grad_(), states.requires_grad_()


def test_sums_and_gradients_are_einsums(nested):
    ours, theirs, weights, states = nested
    found, expected = ours(weights, states), theirs(weights, states)
    torch.testing.assert_close(found, expected)
    gradient = torch.randn_like(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, (weights, states), gradient),
        torch.autograd.grad(expected, (weights, states), gradient),
    )


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    weights, states = (torch.randn(2, 3, *w, dtype=torch.float64) for w in ((), (4,)))
    given = (weights.requires_grad_(), states.requires_grad_())
    assert torch.autograd.gradcheck(weighted_sum, given)


def test_under_autocast_gradients_have_the_types_of_what_they_are_of():
    weights = torch.rand(BATCH, LAYERS, requires_grad=True)
    states = torch.rand(BATCH, LAYERS, WIDTH, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = weighted_sum(weights, states)
    assert found.dtype == torch.bfloat16
    found.float().sum().backward()
    assert weights.grad.dtype == states.grad.dtype == torch.float32
    torch.testing.assert_close(weights.grad, states.sum(dim=2), rtol=0.02, atol=0)


def test_states_that_models_share_are_not_copied():
    weights = torch.rand(50, BATCH, LAYERS)
    states = torch.rand(BATCH, LAYERS, WIDTH)
    read = []

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            found = func(*args, **(kwargs or {}))
            read.append(found.numel() if isinstance(found, torch.Tensor) else 0)
            return found

    with Watch():
        vmap(weighted_sum, in_dims=(0, None))(weights, states)
    assert max(read) == 50 * BATCH * WIDTH  # and not 50 · BATCH · LAYERS · WIDTH
