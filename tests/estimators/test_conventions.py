"""scikit-learn's own checks of estimators."""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from myocard import ECGLayers, LayerMixture, LayerProbe, LayerProbeRegressor

# The checks give arrays of two dimensions, of which an estimator has to be told the layers.
# The curve of a single layer is that layer's score; the penalty is chosen by one of them alone.
GIVEN = {"n_layers": 1, "layer_curve": False}
ALL = [
    LayerProbe(**GIVEN),
    *(each(**GIVEN, penalty=0.01) for each in (LayerMixture, LayerProbeRegressor)),
]
OF_ANY_INPUT = (
    "estimator_cloneable",
    "estimator_repr",
    "estimator_tags_renamed",
    "valid_tag_types",
    "mixin_order",
    "no_attributes_set_in_init",
    "do_not_raise_errors_in_init_or_set_params",
    "parameters_default_constructible",
    "get_params_invariance",
    "set_params",
)
"""The checks that fit nothing, and so have no need of arrays of two dimensions."""


@parametrize_with_checks(ALL)
def test_all_checks_of_scikit_learn_pass(estimator, check):
    check(estimator)


@pytest.mark.parametrize("name", OF_ANY_INPUT)
def test_a_transformer_of_signals_passes_the_checks_that_fit_it(name):
    getattr(estimator_checks, f"check_{name}")("ECGLayers", ECGLayers())
