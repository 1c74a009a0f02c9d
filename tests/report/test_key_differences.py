"""Differences adjusted for their number, and what the records could have shown."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from myocard.metrics.significance import delong_test, holm
from myocard.report.topics.significance import across_tasks, by_class, chapters
from myocard.results.compare.comparisons import sections
from myocard.results.compare.pairs import compare
from myocard.results.run import EncoderInfo
from myocard.results.saved import load_runs

NOISE = {"last": 1.0, "scalar-mix": 0.97, "pma": 0.95}


@pytest.fixture(scope="module")
def found(tmp_path_factory, write, random):
    """One encoder, and the same with random weights, on three tasks."""
    root = tmp_path_factory.mktemp("runs")
    for task, (readout, noise) in product("abc", NOISE.items()):
        cohort = {"task": task}
        write(root / task / readout, readout, noise=noise + 0.02 * ord(task), cohort=cohort)
        write(root / task / f"random-{readout}", readout, noise=9, cohort=cohort, encoder=random)
    return sections(load_runs(root))


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
    table = across_tasks(sections(load_runs(tmp_path)))
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
        assert mine["class"].tolist() == list(section.runs[0].info.classes)
        assert mine["p"].to_numpy() == pytest.approx(expected.p, nan_ok=True)
        assert mine["p_holm"].to_numpy() == pytest.approx(holm(expected.p), nan_ok=True)
    assert table.shown["Positives"].astype(int).tolist() == runs["pma"].targets.sum(axis=0).tolist()
    assert by_class(section, random).shown.empty


def test_nothing_to_compare_gives_empty_tables(tmp_path, write):
    write(tmp_path / "last", "last")
    (section,) = sections(load_runs(tmp_path))
    for table in (across_tasks([section]), by_class(section, section.groups[0])):
        assert isinstance(table.shown, pd.DataFrame)
        assert table.shown.empty
    assert chapters([section]) == []


def test_baselines_are_held_against_the_readout_that_is_best_on_validation(
    tmp_path, write, baseline
):
    for readout, noise in (("last", 2.0), ("ppa", 0.5)):
        write(tmp_path / readout, readout, noise=noise)
    baseline(tmp_path / "rocket")
    (section,) = sections(load_runs(tmp_path))
    (match,) = section.matches()
    assert match.named["Readout"] == "best on validation: PPA: mean of the layers"
    assert (match.run.folder.name, match.against_run.folder.name) == ("ppa", "rocket")
    expected = compare(match.run, match.against_run, "test")
    assert match.found == expected


@pytest.mark.parametrize("size", [{"layers": 9}, {"width": 99}])
def test_random_weights_of_another_size_stand_for_no_encoder(tmp_path, write, random, size):
    write(tmp_path / "last", "last")
    write(tmp_path / "random", "last", encoder=random.model_copy(update=size))
    (section,) = sections(load_runs(tmp_path))
    assert list(section.matches()) == []


@pytest.mark.parametrize(("pretraining", "pairs"), [("p", 1), ("q", 0), (None, 0)])
def test_ipastmem_is_held_against_plain_where_nothing_else_differs(
    tmp_path, write, pretraining, pairs
):
    plain = EncoderInfo(
        name="plain", hash="0", mixture="last", layers=5, width=192, pretraining=pretraining
    )
    changes = {"name": "ipastmem", "hash": "1", "mixture": "mean", "pretraining": "p"}
    write(tmp_path / "plain", encoder=plain)
    write(tmp_path / "mean", encoder=plain.model_copy(update=changes))
    (section,) = sections(load_runs(tmp_path))
    assert len(list(section.matches())) == pairs


def test_a_label_that_counts_a_tasks_records_makes_no_family_of_its_own(
    tmp_path, write, pretrained
):
    for task, digit, (readout, noise) in product("ab", "01", NOISE.items()):
        write(
            tmp_path / task / digit / readout,
            readout,
            noise=noise,
            cohort={"task": task, "train": 100 + ord(task)},
            encoder=pretrained.model_copy(update={"hash": digit}),
        )
    numbers = across_tasks(sections(load_runs(tmp_path))).numbers
    assert numbers["encoder"].nunique() > 2
    assert (numbers["p_holm"] > numbers["p"]).any()


def test_the_chapter_is_the_table_and_how_to_read_it(found):
    (chapter,) = chapters(found)
    table, note = chapter.blocks
    assert table.table.shown.equals(across_tasks(found).shown)
    assert "one family" in note.text
