"""Differences adjusted for their number, and what the records could have shown."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from myocard.metrics.significance import delong_test, holm
from myocard.report.comparisons import sections
from myocard.report.pairs import compare
from myocard.report.runs import find_runs
from myocard.report.significance import across_tasks, by_class

NOISE = {"last": 1.0, "scalar-mix": 0.97, "pma": 0.95}
RANDOM = {"name": "small", "hash": "ffff", "random": True, "layers": 5, "width": 192}


@pytest.fixture(scope="module")
def found(tmp_path_factory, write):
    """One encoder, and its random twin, on three tasks."""
    root = tmp_path_factory.mktemp("runs")
    for task, (readout, noise) in product("abc", NOISE.items()):
        write(root / task / readout, readout, noise=noise + 0.02 * ord(task), task=task)
        write(root / task / f"random-{readout}", readout, noise=9, task=task, encoder=RANDOM)
    return sections(find_runs([root]))


def test_the_tasks_of_one_question_are_one_family(found):
    table = across_tasks(found)
    families = table.numbers.groupby("question", sort=False)
    assert list(families.groups) == [
        "PMA − last layer", "PMA − scalar mix", "Pretrained − random weights, last layer",
    ]  # fmt: skip
    for _, family in families:
        assert family["task"].tolist() == ["a", "b", "c"]
        assert family["p_holm"].tolist() == pytest.approx(holm(family["p"]).tolist())
    assert (table.numbers["p_holm"] > table.numbers["p"]).any()
    assert table.shown["Question"].nunique() == 3
    assert not table.numbers["encoder"].str.contains("random").any()


def test_what_could_have_been_seen_follows_from_the_bootstrap_error(found):
    numbers = across_tasks(found).numbers
    assert numbers["detectable"].to_numpy() == pytest.approx(2.801585 * numbers["se"].to_numpy())
    width = (numbers["high"] - numbers["low"]) / (2 * 1.96)
    assert numbers["se"].to_numpy() == pytest.approx(width.to_numpy(), rel=0.15)


def test_the_spread_over_seeds_is_that_of_the_difference(found):
    line = across_tasks(found).numbers.iloc[0]
    runs = {run.place: run.predictions("test") for section in found for run in section.runs}
    sides = [
        [roc_auc_score(runs[place].targets, each) for each in runs[place].scores]
        for place in (line["run"], line["against_run"])
    ]
    assert line["seed_sd"] == pytest.approx(np.subtract(*sides).std(ddof=1))


def test_without_shared_seeds_there_is_no_such_spread(tmp_path, write):
    write(tmp_path / "last", "last", seeds=3)
    write(tmp_path / "pma", "pma", seeds=2)
    table = across_tasks(sections(find_runs([tmp_path])))
    assert table.numbers["seed_sd"].isna().all()
    assert table.shown["Seed SD"].tolist() == ["–"]


def test_every_class_is_tested_by_delong(found):
    section = found[0]
    pretrained, random = section.groups
    table = by_class(section, pretrained)
    runs = {name: run.predictions("test") for name, run in pretrained.runs.items()}
    for other, question in (("last", "PMA − last layer"), ("scalar-mix", "PMA − scalar mix")):
        expected = delong_test(runs["pma"].targets, runs["pma"].scores, runs[other].scores)
        mine = table.numbers[table.numbers["question"] == question]
        assert mine["class"].tolist() == section.runs[0].states.classes
        assert mine["p"].to_numpy() == pytest.approx(expected.p, nan_ok=True)
        assert mine["p_holm"].to_numpy() == pytest.approx(holm(expected.p), nan_ok=True)
    assert table.shown["Positives"].astype(int).tolist() == runs["pma"].targets.sum(axis=0).tolist()
    assert by_class(section, random).shown.empty


def test_nothing_to_compare_gives_empty_tables(tmp_path, write):
    write(tmp_path / "last", "last")
    (section,) = sections(find_runs([tmp_path]))
    for table in (across_tasks([section]), by_class(section, section.groups[0])):
        assert isinstance(table.shown, pd.DataFrame)
        assert table.shown.empty


def test_what_a_killed_process_left_is_no_run(tmp_path, write):
    write(tmp_path / "runs" / "last", "last")
    for left in (".last.17.partial", ".last.stale"):
        write(tmp_path / "runs" / left, "last")
    assert [run.place for run in find_runs([tmp_path / "runs"])] == ["runs/last"]


def test_baselines_are_held_against_the_readout_that_is_best_on_validation(tmp_path, write):
    for readout, noise in (("last", 2.0), ("ppa", 0.5)):
        write(tmp_path / readout, readout, noise=noise)
    rocket = {"name": "MiniRocket", "hash": None, "layers": None, "width": None}
    write(tmp_path / "rocket", "features", kind="baseline", encoder=rocket, head="ridge")
    (section,) = sections(find_runs([tmp_path]))
    (match,) = section.matches()
    assert match.readout == "best on validation: PPA: mean of the layers"
    assert (match.run.folder.name, match.against_run.folder.name) == ("ppa", "rocket")
    expected = compare(match.run, match.against_run, "test")
    assert match.found == expected


@pytest.mark.parametrize("size", [{"layers": 9}, {"width": 99}])
def test_random_weights_of_another_size_stand_for_no_encoder(tmp_path, write, size):
    write(tmp_path / "last", "last")
    write(tmp_path / "random", "last", encoder=RANDOM | size)
    (section,) = sections(find_runs([tmp_path]))
    assert list(section.matches()) == []


@pytest.mark.parametrize(("pretraining", "pairs"), [("p", 1), ("q", 0), (None, 0)])
def test_ipastmem_is_held_against_plain_where_nothing_else_differs(
    tmp_path, write, pretraining, pairs
):
    size = {"layers": 5, "width": 192}
    plain = {"name": "plain", "hash": "0", "mixture": "last", "pretraining": pretraining}
    mean = {"name": "ipastmem", "hash": "1", "mixture": "mean", "pretraining": "p"}
    write(tmp_path / "plain", encoder=plain | size)
    write(tmp_path / "mean", encoder=mean | size)
    (section,) = sections(find_runs([tmp_path]))
    assert len(list(section.matches())) == pairs


def test_a_label_that_counts_a_tasks_records_makes_no_family_of_its_own(tmp_path, write):
    same = {"name": "small", "random": False, "layers": 5, "width": 192}
    for task, digit, (readout, noise) in product("ab", "01", NOISE.items()):
        train = {"folds": [1], "records": 100 + ord(task), "patients": 90}
        splits = {"train": train, "validation": {}, "test": {}}
        write(
            tmp_path / task / digit / readout,
            readout,
            noise=noise,
            task=task,
            splits=splits,
            encoder=same | {"hash": digit},
        )
    numbers = across_tasks(sections(find_runs([tmp_path]))).numbers
    assert numbers["encoder"].nunique() > 2
    assert (numbers["p_holm"] > numbers["p"]).any()
