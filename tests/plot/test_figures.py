"""The figures draw what the runs say."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from sklearn.manifold import trustworthiness
from written_runs import LAYERS, write_run, write_runs

from myocard import plot
from myocard.errors import InputError
from myocard.metrics.calibration import reliability
from myocard.plot.canvas import to_svg
from myocard.results.compare.pairs import compare
from myocard.results.saved import SavedRun, load_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[SavedRun]:
    return load_runs(write_runs(tmp_path_factory.mktemp("runs")))


@pytest.fixture(autouse=True)
def _closed():
    pyplot.switch_backend("Agg")
    yield
    pyplot.close("all")


def named(runs: list[SavedRun], folder: str) -> SavedRun:
    return next(run for run in runs if run.folder.name == folder)


def line(axes: Axes, label: str) -> np.ndarray:
    """The points of a line by its name in the key."""
    return next(each.get_xydata() for each in axes.lines if each.get_label() == label)


def test_a_layer_curve_shows_the_scores_and_the_layers_that_the_runs_state(runs):
    axes = plot.layer_curve(runs)
    scores = [named(runs, f"layer-{k}").info.test.main.macro.value for k in range(LAYERS)]
    np.testing.assert_allclose(line(axes, "one layer"), [*enumerate(scores)])
    on_validation = [
        named(runs, f"layer-{k}").info.validation.main.macro.value for k in range(LAYERS)
    ]
    best = int(np.argmax(on_validation))
    np.testing.assert_allclose(line(axes, "best on validation"), [(best, scores[best])])
    last = named(runs, "last").info.test.main.macro.value
    np.testing.assert_allclose(line(axes, "last layer"), [(LAYERS - 1, last)])
    assert {"scalar mix", "PMA"} <= {text.get_text() for text in axes.texts}


def test_figures_are_drawn_on_the_axes_that_are_given(runs):
    for draw in (plot.layer_curve, plot.relative_depth, plot.gains, plot.layer_classes):
        _, axes = pyplot.subplots()
        assert draw(runs, ax=axes) is axes
    _, pair = pyplot.subplots(2)
    with pytest.raises(InputError, match="1 panels and 2 axes"):
        plot.gains(runs, ax=pair)


def test_two_tasks_are_two_panels(runs, tmp_path: Path):
    for layer in (0, 1):
        other = {"task": "ptbxl-rhythm"}
        write_run(tmp_path / f"other-{layer}", "layer", layer=layer, cohort=other)
    both = [*runs, *load_runs(tmp_path)]
    assert plot.relative_depth(both).shape == (2,)
    assert "ptbxl-rhythm" in plot.layer_curve(both)[0].get_title("left")


def test_depth_is_relative(runs):
    axes = plot.relative_depth(runs)
    shown = next(each for each in axes.lines if each.get_label().startswith("small, pretrained"))
    np.testing.assert_allclose(shown.get_xdata(), np.linspace(0, 1, LAYERS))


def test_cells_are_the_runs_scores_and_hatched_where_the_last_layer_does_not_differ(tmp_path: Path):
    for layer, noise in enumerate((6.0, 0.5, 0.5)):
        write_run(tmp_path / f"layer-{layer}", "layer", layer=layer, noise=noise)
    runs = load_runs(tmp_path)
    axes = plot.layer_classes(runs)
    cells, hatched = axes.collections
    by_class = [run.info.test.main.by_class for run in runs]
    wanted = [[scores[name].value for scores in by_class] for name in runs[0].info.classes]
    np.testing.assert_allclose(cells.get_array(), wanted)
    # Layer 1 has the scores of the last one; layer 0 hardly knows anything.
    assert len(hatched.get_paths()) == len(wanted)
    assert {path.vertices[:, 0].min() for path in hatched.get_paths()} == {1.0}


def test_gains_are_the_paired_differences(runs):
    axes = plot.gains(runs)
    found = compare(named(runs, "pma"), named(runs, "last"), "test")
    drawn = [each.get_xydata() for each in axes.lines if len(each.get_xydata()) == 2]
    assert any(np.allclose(ends[:, 0], (found.low, found.high)) for ends in drawn)


def test_weights_are_the_mean_and_spread_over_records(tmp_path: Path, runs):
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.ones(LAYERS - 1), size=(2, 80))
    weights = np.insert(weights, 0, 0.0, axis=2)
    mean = named(runs, "pma").info.layer_weights
    write_run(tmp_path / "pma", "pma", weights=weights, layer_weights=mean)
    axes = plot.layer_weights(load_runs(tmp_path)[0])
    shown = next(each for each in axes.lines if each.get_marker() == "D")
    np.testing.assert_allclose(shown.get_ydata(), weights.mean(axis=(0, 1))[1:])
    static = plot.layer_weights(named(runs, "mix"))
    shown = next(each for each in static.lines if each.get_marker() == "D")
    np.testing.assert_allclose(shown.get_ydata(), named(runs, "mix").info.layer_weights.mean[1:])
    with pytest.raises(InputError, match="states no layer weights"):
        plot.layer_weights(named(runs, "last"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_windows_without_weights_stay_blank(tmp_path: Path, suffix: str):
    table = pd.DataFrame({"record": "a", "start": [20.0, 0.0, 10.0]})
    table["layer:0"] = 0.0
    table["layer:1"], table["layer:2"] = [0.2, 0.6, np.nan], [0.8, 0.4, np.nan]
    path = tmp_path / f"scores{suffix}"
    (table.to_csv if suffix == ".csv" else table.to_parquet)(path, index=False)
    cells = plot.gate_over_time(path).collections[0].get_array()
    np.testing.assert_array_equal(cells.mask, [[False, True, False]] * 2)
    np.testing.assert_allclose(cells.compressed(), [0.2, -0.2, -0.2, 0.2])
    with pytest.raises(InputError, match="no column record, start"):
        plot.gate_over_time(table[["layer:1"]])
    path.with_suffix(".csv").write_text("")
    with pytest.raises(InputError, match=r"scores\.csv: no table"):
        plot.gate_over_time(path.with_suffix(".csv"))


def test_reliability_is_that_of_the_metrics(runs):
    run = named(runs, "pma")
    upper, _ = plot.calibration(run)
    found = run.predictions("test")
    wanted = reliability(found.targets, found.scores)
    drawn = upper.containers[0].lines[0].get_xydata()
    np.testing.assert_allclose(drawn, np.column_stack([wanted.confidence, wanted.frequency]))
    with pytest.raises(InputError, match="no probabilities"):
        plot.calibration(named(runs, "rocket"))


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_maps_keep_what_lies_together_and_say_how_well(method):
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 40)
    states = rng.normal(size=(80, 2, 6))
    states[labels == "b", 1] += 20
    first = plot.layer_maps(states, labels, method)
    again = plot.layer_maps(states, labels, method)
    for layer, (axes, other) in enumerate(zip(first, again, strict=True)):
        points = [np.asarray(each.get_offsets()) for each in axes.collections]
        for mine, theirs in zip(points, other.collections, strict=True):
            np.testing.assert_array_equal(mine, theirs.get_offsets())
        trust = trustworthiness(states[:, layer], np.concatenate(points), n_neighbors=15)
        assert f"{trust:.2f}" in axes.get_title("left")
    apart = np.linalg.norm(points[0].mean(axis=0) - points[1].mean(axis=0))
    assert apart > 3 * max(each.std(axis=0).max() for each in points)


def test_labels_of_numbers_are_a_scale_and_too_few_records_are_refused():
    states = [np.random.default_rng(k).normal(size=(40, 3 + k)) for k in range(2)]
    axes = plot.layer_maps(states, np.arange(40.0))
    np.testing.assert_array_equal(axes[0].collections[0].get_array(), np.arange(40.0))
    with pytest.raises(InputError, match="for 40 records"):
        plot.layer_maps(states, ["a"])
    with pytest.raises(InputError, match="more than 30"):
        plot.layer_maps([each[:30] for each in states], ["a"] * 30)
    with pytest.raises(InputError, match="choose pca, tsne or umap"):
        plot.layer_maps(states, ["a"] * 40, "isomap")
    with pytest.raises(InputError, match="1 of 40 labels are missing"):
        plot.layer_maps(states, np.array([None, *["a"] * 39], object))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda states: states * [[[1.0], [0.0]]], "layer 1 is the same in all records"),
        (lambda states: np.where(states > 2, np.inf, states), "layer 0 holds numbers that are not"),
        (lambda states: states[..., :1], "layer 0 has states of shape"),
        (lambda states: states[:, 0], "layer 0 has states of shape"),
    ],
)
def test_states_that_have_no_map_are_refused(change, told):
    states = change(np.random.default_rng(0).normal(size=(40, 2, 30)))
    with pytest.raises(InputError, match=told):
        plot.layer_maps(states, ["a"] * 40, "tsne")


def test_a_name_with_dollars_is_drawn_as_it_is():
    states = np.random.default_rng(0).normal(size=(40, 1, 3))
    axes = plot.layer_maps(states, [r"$\frac{x}$", "b"] * 20)
    svg = to_svg(axes[0].figure, "map", "a map")
    assert r"$\frac{x}$" in svg


def test_without_its_package_umap_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"myocard\[maps\]"):
        plot.layer_maps(np.random.default_rng(0).normal(size=(40, 1, 3)), ["a"] * 40, "umap")
