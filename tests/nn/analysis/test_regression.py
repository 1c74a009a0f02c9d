"""Ridge regression from sums against scikit-learn on all rows."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from myocard.nn.analysis.regression import normal_equations, solve_ridge, squared_errors


@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_sums_over_batches_give_the_ridge_of_all_rows(penalty, generator):
    inputs = 2 + torch.randn(2, 90, 6, generator=generator)
    targets = inputs[0, :, :3] + 0.1 * torch.randn(90, 3, generator=generator)
    sums = sum(
        normal_equations(inputs[:, part], targets[part]) for part in torch.arange(90).split(25)
    )
    found = solve_ridge(sums, penalty)
    errors = squared_errors(inputs, targets, found)
    for layer, x in enumerate(inputs.double().numpy()):
        y = targets.double().numpy()
        ridge = Ridge(penalty).fit(x, y)
        assert np.allclose(found[layer, :-1].T, ridge.coef_, atol=1e-4)
        assert np.allclose(found[layer, -1], ridge.intercept_, atol=1e-4)
        expected = np.square(y - ridge.predict(x)).sum(axis=1)
        assert np.allclose(errors[layer], expected, rtol=1e-3, atol=1e-4)


def test_inputs_that_depend_on_each_other_are_solved_all_the_same(generator):
    """Normed tokens sum to zero, so their Gram matrix has no inverse without a penalty."""
    inputs = torch.randn(1, 50, 4, generator=generator)
    inputs = torch.nn.functional.layer_norm(inputs, (4,))
    found = solve_ridge(normal_equations(inputs, inputs[0, :, :1]), 1e-6)
    assert squared_errors(inputs, inputs[0, :, :1], found).max() < 1e-6
