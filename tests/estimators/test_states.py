"""States that probes take, and those that they refuse."""

import numpy as np
import pandas as pd
import pytest

from myocard import InputError, LayerProbe, LayerProbeRegressor


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
        ({"penalty": 1e300}, "LayerProbe: penalties.0: input should be less than or equal to 1"),
        ({"n_layers": 5}, "X has 3 layers, and n_layers is 5; leave n_layers out"),
        ({"validation": []}, "validation holds no split into rows of 120 records"),
        ({"validation": [([0, 1], [120])]}, "validation holds no split into rows of 120 records"),
        (
            {"validation": [([0, 1], np.arange(0))]},
            "trains on 2 records and chooses on 0; give two or more",
        ),
        ({"validation": [([0], [1])]}, "validation trains on 1 records and chooses on 1; give two"),
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
        (1e20 * np.eye(6, 8).reshape(6, 2, 4), "ababab", None, "X has values of 1e[+]20, and the"),
        (1e8 + np.eye(6, 8).reshape(6, 2, 4), "ababab", None, "of 0.4 about 1e[+]08, which single"),
        (np.eye(3, 8).reshape(3, 2, 4), "aba", None, "3 records are too few to hold some out"),
        (np.eye(6, 8).reshape(6, 2, 4), [None, *"babab"], None, "y lacks a value for 1 of 6"),
        (
            np.eye(6, 8).reshape(6, 2, 4),
            "ababab",
            [None, *"abcde"],
            "groups lacks a value for 1 of 6",
        ),
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


@pytest.mark.parametrize("scale", [1e300, 1e-300])
def test_targets_whose_deviation_cannot_be_computed_are_refused(planted, scale):
    with pytest.raises(InputError, match=r"y has values up to \de.300; give it in a common unit"):
        LayerProbeRegressor(n_layers=3).fit(planted.states, planted.states[:, 0, 0] * scale)


def test_rows_of_a_split_may_be_numbers_or_flags_and_states_a_list(planted):
    chosen = np.arange(120) % 4 == 0
    rows = [(np.flatnonzero(~chosen).tolist(), np.flatnonzero(chosen).tolist())]
    expected = LayerProbe(validation=rows).fit(planted.states.tolist(), planted.labels)
    found = LayerProbe(validation=[(~chosen, chosen)]).fit(planted.states, planted.labels)
    assert np.array_equal(found.coef_, expected.coef_)


@pytest.mark.parametrize("norm", ["layer", "rms"])
def test_a_probe_with_a_norm_has_its_curve_whatever_it_reads(planted, norm):
    curves = [
        LayerProbe(readout, norm=norm).fit(planted.states, planted.labels).layer_curve_
        for readout in ("last", "ppa", "scalar-mix")
    ]
    assert np.array_equal(curves[0], curves[1])
    assert np.array_equal(curves[0], curves[2])
