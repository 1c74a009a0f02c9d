"""Calibration and operating points: chosen on validation, told of test."""

import numpy as np
import pandas as pd
import pytest

from myocard.metrics.calibration import brier_score, fit_temperature, scale, thresholds_at
from myocard.report.topics import operating
from myocard.report.topics.calibration import blocks, calibration
from myocard.report.topics.operating import SENSITIVITIES, operating_points
from myocard.results.compare.comparisons import sections
from myocard.results.saved import load_runs


@pytest.fixture
def root(tmp_path, write, random):
    write(tmp_path / "runs" / "last", "last")
    write(tmp_path / "runs" / "ppa", "ppa")
    write(tmp_path / "runs" / "random", "last", encoder=random)
    return tmp_path / "runs"


def only_section(root):
    (section,) = sections(load_runs(root))
    return section


def edited(root, split, change):
    """Change the scores of one split of the last layer's run."""
    path = root / "last" / "predictions.parquet"
    table = pd.read_parquet(path)
    rows, columns = table["split"] == split, table.columns[table.columns.str.startswith("score:")]
    table.loc[rows, columns] = change(table.loc[rows, columns])
    table.to_parquet(path)


def test_the_errors_are_those_of_the_temperature_that_validation_gave(root):
    section = only_section(root)
    _, table = calibration(section)
    (line,) = table.numbers.to_dict("records")
    run = section.groups[0].runs["last"]
    on, scored = run.predictions("validation"), run.predictions("test")
    fitted = [fit_temperature(on.targets, each, exclusive=False) for each in on.scores]
    assert line["temperature"] == pytest.approx(np.mean(fitted))
    once = np.ones((1, len(scored.ids)), int)
    for stage, temperatures in (("before", [1, 1]), ("after", fitted)):
        brier = [
            brier_score(scored.targets == 1, scale(each, t, exclusive=False), once).mean()
            for each, t in zip(scored.scores, temperatures, strict=True)
        ]
        assert line[f"brier_{stage}_value"] == pytest.approx(np.mean(brier))
    change = line["brier_after_value"] - line["brier_before_value"]
    assert line["brier_change_difference"] == pytest.approx(change)


def test_only_the_main_readouts_of_pretrained_encoders_are_told_of(root):
    section = only_section(root)
    figures, table = calibration(section)
    assert [figure.name for figure in figures] == [f"{section.name}-reliability-1"]
    assert table.shown["Readout"].tolist() == ["last layer"]
    assert set(operating_points(section, section.groups[0]).shown["Readout"]) == {"last layer"}
    assert operating_points(section, section.groups[1]).shown.empty
    (fold,) = operating.blocks(section)
    assert fold.blocks[0].table.shown.equals(operating_points(section, section.groups[0]).shown)


def test_the_curve_holds_every_pair_of_record_and_class_at_both_stages(root):
    (figure,), _ = calibration(only_section(root))
    pairs = figure.numbers.groupby("stage")["pairs"].sum()
    assert pairs.to_dict() == pytest.approx({"as trained": 240, "at its temperature": 240})


def test_scores_of_test_choose_neither_temperature_nor_threshold(root):
    before = only_section(root)
    temperature = calibration(before)[1].numbers["temperature"]
    thresholds = operating_points(before, before.groups[0]).numbers["threshold"]
    edited(root, "test", lambda scores: scores**2)
    after = only_section(root)
    assert (calibration(after)[1].numbers["temperature"] == temperature).all()
    assert (operating_points(after, after.groups[0]).numbers["threshold"] == thresholds).all()


def test_scores_that_are_no_probabilities_are_not_read_as_such(root):
    edited(root, "validation", lambda scores: 3 * scores - 1)
    section = only_section(root)
    figures, table = calibration(section)
    assert figures == []
    assert table.shown.empty
    assert blocks(section) == []


def test_the_scores_of_classes_that_exclude_each_other_are_a_softmax(root):
    path = root / "last" / "run.json"
    path.write_text(path.read_text().replace('"outcome": "any"', '"outcome": "one"'))
    for split in ("validation", "test"):
        edited(root, split, lambda scores: scores.div(scores.sum(axis=1), axis=0))
    section = only_section(root)
    on = section.groups[0].runs["last"].predictions("validation")
    fitted = [fit_temperature(on.targets, each, exclusive=True) for each in on.scores]
    assert calibration(section)[1].numbers["temperature"].item() == pytest.approx(np.mean(fitted))


def test_an_operating_point_applies_the_threshold_of_validation(root):
    section = only_section(root)
    table = operating_points(section, section.groups[0])
    assert len(table.shown) == 3
    run = section.groups[0].runs["last"]
    on, scored = run.predictions("validation"), run.predictions("test")
    for wanted in SENSITIVITIES:
        said = [
            each >= thresholds_at(wanted, on.targets, chosen)
            for each, chosen in zip(scored.scores, on.scores, strict=True)
        ]
        hits = np.mean([(each & (scored.targets == 1)).sum(axis=0) for each in said], axis=0)
        mine = table.numbers[table.numbers["wanted"] == wanted]
        assert mine["sensitivity"].to_numpy() == pytest.approx(hits / scored.targets.sum(axis=0))
        assert (mine["sensitivity_low"] < mine["sensitivity"]).all()
