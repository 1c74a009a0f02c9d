"""What was tested elsewhere stands beside what stayed, and never among it."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from myocard.metrics.scores import macro_resamples
from myocard.report import write_report
from myocard.report.comparisons import Section, sections
from myocard.report.runs import find_runs
from myocard.report.transfers import cells, transfers


@pytest.fixture
def crossed(write, tmp_path) -> Path:
    """Two encoders and two readouts, on two data sets and across."""
    root = tmp_path / "runs"
    mixtures = {"plain": "last", "ipastmem": "mean"}
    for (name, mixture), readout, home, abroad in product(
        mixtures.items(), ("last", "pma"), ("a", "b"), ("a", "b")
    ):
        encoder = {
            "name": name,
            "hash": name,
            "mixture": mixture,
            "pretraining": "p",
            "sources": {"a": 9},
        }
        changes = {"encoder": encoder, "source": abroad, "task": "superdiagnostic"}
        changes["hashes"] = {"store": abroad}
        if home != abroad:
            changes |= {"trained_on": home, "hashes": {"store": abroad, "trained_on": home}}
        noise = 0.5 + (home != abroad) + 0.3 * (readout == "last")
        write(root / f"{name}-{readout}-{home}-{abroad}", readout, noise=noise, **changes)
    return root


@pytest.fixture
def found(crossed) -> list[Section]:
    return sections(find_runs([crossed]))


def test_each_pair_of_data_sets_is_a_section_of_its_own(found):
    pairs = {(section.trained_on, section.source) for section in found}
    assert pairs == {(None, "a"), (None, "b"), ("a", "b"), ("b", "a")}
    assert len({section.name for section in found}) == 4


def test_the_matrix_has_every_pair_and_the_scores_of_its_runs(found):
    table = cells(found, "linear").set_index(["readout", "encoder", "trained_on", "tested_on"])
    assert len(table) == 2**4
    for section, readout in product(found, ("last", "pma")):
        for group in section.groups:
            run = group.runs[readout]
            states = run.states
            home = states.trained_on or states.source
            cell = table.loc[readout, states.encoder.name, home, states.source]
            assert cell["auroc"] == pytest.approx(states.test.auroc.macro.value)
            assert cell["low"] < cell["auroc"] < cell["high"]
            assert cell["corpus_has_tested"] == (states.source == "a")
            assert cell["run"] == run.place


def test_two_stores_of_one_data_set_have_a_column_each(write, crossed):
    for store in ("b", "c"):
        changes = {"source": "challenge", "trained_on": "a", "task": "superdiagnostic"}
        changes["hashes"] = {"store": f"hash-{store}", "trained_on": "a"}
        recipe = {"transfer": {"stores": ["home", f"away-{store}"]}}
        write(crossed / store, "last", recipe=recipe, **changes)
    table = cells(sections(find_runs([crossed])), "linear")
    assert set(table["tested_on"]) == {"a", "b", "challenge, away-b", "challenge, away-c"}
    assert not table.duplicated(["readout", "encoder", "trained_on", "tested_on"]).any()


def test_a_column_counts_the_classes_that_all_its_probes_know(write, crossed):
    few = {"classes": ["CD", "MI"], "task": "superdiagnostic", "source": "b", "trained_on": "c"}
    few["encoder"] = {"name": "plain", "hash": "plain", "mixture": "last"}
    write(crossed / "few", "last", hashes={"store": "b", "trained_on": "c"}, **few)
    found = sections(find_runs([crossed]))
    table = cells(found, "linear")
    counts = table.groupby("tested_on")["classes"].unique().map(list).to_dict()
    assert counts == {"a": [3], "b": [2]}
    here = next(s for s in found if (s.trained_on, s.source) == (None, "b"))
    run = next(g for g in here.groups if g.first.states.encoder.name == "plain").runs["last"]
    told = run.predictions("test")
    expected = macro_resamples(told.targets[:, :2], told.scores[..., :2], groups=told.patients)
    cell = table[table["run"] == run.place].iloc[0]
    assert cell["auroc"] == pytest.approx(expected[0])
    assert cell["low"] == pytest.approx(np.percentile(expected[1:], 2.5))


def test_readouts_and_encoders_are_compared_in_pairs_on_the_other_data_set(found):
    (chapter,) = transfers(found)
    names = [table.name.rsplit("-", 1)[1] for table in chapter.tables]
    assert names == ["readouts", "encoders"] * 2
    gains = chapter.tables[0].numbers.set_index(["encoder", "readout"])["against_last_difference"]
    assert (gains.xs("PMA: gated weights", level="readout") > 0).all()
    encoders = chapter.tables[1].numbers
    assert set(encoders["encoder"].str.split(",").str[0]) == {"ipastmem"}
    assert len(chapter.runs) == 8


def test_the_report_keeps_transferred_runs_in_a_chapter_of_their_own(crossed, tmp_path):
    write_report([crossed], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    chapters = [line for line in page.splitlines() if line.startswith('<h2 id="superdiagnostic')]
    assert len(chapters) == 2
    assert page.count(">Out of distribution</h2>") == 1
    assert "Probes trained on a, tested on b" in page
    assert (tmp_path / "out" / "figures" / "superdiagnostic-transfer-linear.svg").exists()
    assert (tmp_path / "out" / "figures" / "superdiagnostic-transfer-linear.csv").exists()


def test_without_transfers_there_is_no_chapter_of_them(runs):
    assert transfers(sections(find_runs([runs]))) == []


def test_what_no_matrix_shows_leaves_the_report_without_one(tmp_path, write):
    changes = {"source": "b", "trained_on": "a", "hashes": {"store": "b", "trained_on": "a"}}
    write(tmp_path / "alf", "alf", **changes)
    (chapter,) = transfers(sections(find_runs([tmp_path])))
    assert chapter.figures == []
