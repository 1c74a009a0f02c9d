"""What probes take as states, and what they refuse."""

import numpy as np
import pandas as pd
import pytest

from myocard import InputError, LayerProbe


def columns(*widths: int) -> list[str]:
    return [f"layer{k:02d}_{d:03d}" for k, width in enumerate(widths) for d in range(width)]


def test_layers_in_three_dimensions_side_by_side_and_by_name_are_the_same(planted):
    flat = planted.states.reshape(120, -1)
    table = pd.DataFrame(flat, columns=columns(8, 8, 8))
    stacked = LayerProbe("ppa").fit(planted.states, planted.labels)
    expected = stacked.predict_proba(planted.states)
    for model, states in ((LayerProbe("ppa", n_layers=3), flat), (LayerProbe("ppa"), table)):
        assert np.array_equal(model.fit(states, planted.labels).predict_proba(states), expected)
        assert model.n_layers_ == 3
        assert model.n_features_in_ == 24
    assert np.array_equal(stacked.predict_proba(flat), expected)


def test_layers_of_different_widths_are_read_alone_or_side_by_side(planted):
    flat = planted.states.reshape(120, -1)[:, 3:]
    table = pd.DataFrame(flat, columns=columns(5, 8, 8))
    model = LayerProbe("concat").fit(table, planted.labels)
    assert model.coef_.shape == (1, 16)
    assert np.argmax(model.layer_curve_) == 1
    with pytest.raises(InputError, match=r"'ppa' sums layers, and these differ in width \(5, 8"):
        LayerProbe("ppa").fit(table, planted.labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readout": "best"}, "no readout 'best'; there are last, ppa"),
        ({"readout": 3}, "no layer '3'; there are 0, 1, 2"),
        ({"readout": "class-mix"}, "class-mix: classes of y exclude each other; take scalar-mix"),
        ({"norm": "batch"}, "no norm 'batch'; there are identity, layer, rms"),
        ({"penalty": -1.0}, r"LayerProbe: penalties.0: input should be greater than or equal to 0"),
        ({"penalty": (1.0, 1.0)}, "LayerProbe: penalties: each may be given once"),
        ({"n_layers": 5}, "X has 3 layers, and n_layers is 5; leave n_layers out"),
    ],
)
def test_wrong_settings_are_refused_with_the_choices(planted, changes, message):
    with pytest.raises(InputError, match=message) as refused:
        LayerProbe(**changes).fit(planted.states, np.arange(120) % 3)
    assert "--" not in str(refused.value)


@pytest.mark.parametrize(
    ("states", "labels", "groups", "message"),
    [
        (np.ones((6, 4)), "ababab", None, r"X has two dimensions: say .* \(n_layers=…; 1 for a"),
        (np.eye(6, 8).reshape(6, 2, 4), "aaaaaa", None, "y has one class, a; a classifier needs"),
        (np.eye(6, 8).reshape(6, 2, 4), "ababab", np.zeros(6), "6 records are too few to hold"),
        (1e-4 * np.eye(6, 8).reshape(6, 2, 4), "ababab", None, "layer 0 of X has a deviation of"),
        (
            np.eye(6, 12).reshape(6, 2, 6),
            "ababab",
            None,
            "'alf' has four heads, and the width is 6",
        ),
    ],
)
def test_wrong_states_and_targets_are_refused_with_the_fix(states, labels, groups, message):
    readout = "alf" if states.shape[-1] == 6 else "last"
    with pytest.raises(InputError, match=message) as refused:
        LayerProbe(readout).fit(states, list(labels), groups)
    assert "--" not in str(refused.value)


def test_states_of_other_layers_than_were_fitted_are_refused(planted):
    model = LayerProbe(penalty=0.1, layer_curve=False).fit(planted.states, planted.labels)
    with pytest.raises(InputError, match="X has 8 layers, and 3 were fitted"):
        model.predict(planted.states.reshape(120, 8, 3))
    with pytest.raises(ValueError, match="X has 12 features, but LayerProbe is expecting 24"):
        model.predict(planted.states[:, :, :4])
