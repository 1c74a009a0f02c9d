"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from myocard import LayerMixture, LayerProbe, LayerProbeRegressor

# The checks give arrays of two dimensions, and an estimator has to be told how many layers they are.
ALL = [each(n_layers=1) for each in (LayerProbe, LayerMixture, LayerProbeRegressor)]


@parametrize_with_checks(ALL)
def test_the_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)
