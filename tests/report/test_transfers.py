"""Transferred probes stand beside those that stayed, and never among them."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from myocard.metrics.summary import macro_resamples
from myocard.report import write_report
from myocard.report.blocks import Fold, Gallery, Heading, Words
from myocard.report.topics.transfers import cells, chapters
from myocard.results.compare.comparisons import Section, sections
from myocard.results.run import EncoderInfo, Hashes, TransferInfo
from myocard.results.saved import load_runs

PLAIN = EncoderInfo(
    name="plain",
    hash="plain",
    mixture="last",
    layers=5,
    width=192,
    pretraining="p",
    sources={"a": 9},
    leak_check="records",
)
MEAN = PLAIN.model_copy(update={"name": "ipastmem", "hash": "ipastmem", "mixture": "mean"})


def crossing(home: str, abroad: str) -> dict:
    """Fields of a run whose probe was trained on the store of one data set and tested on another's.

    They say nothing of training where the two are one.
    """
    if home == abroad:
        return {"hashes": Hashes(store=home)}
    return {"trained_on": home, "hashes": Hashes(store=abroad, trained_on=home)}


@pytest.fixture
def crossed(write, tmp_path) -> Path:
    """Two encoders and two readouts, on two data sets and across."""
    root = tmp_path / "runs"
    for encoder, readout, home, abroad in product((PLAIN, MEAN), ("last", "pma"), "ab", "ab"):
        write(
            root / f"{encoder.name}-{readout}-{home}-{abroad}",
            readout,
            noise=0.5 + (home != abroad) + 0.3 * (readout == "last"),
            cohort={"task": "superdiagnostic", "source": abroad},
            encoder=encoder,
            **crossing(home, abroad),
        )
    return root


@pytest.fixture
def found(crossed) -> list[Section]:
    return sections(load_runs(crossed))


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
            info = run.info
            home = info.trained_on or info.source
            cell = table.loc[readout, info.encoder.name, home, info.source]
            assert cell["score"] == pytest.approx(info.test.main.macro.value)
            assert cell["low"] < cell["score"] < cell["high"]
            assert cell["corpus_has_tested"] == (info.source == "a")
            assert cell["run"] == run.place


def test_two_stores_of_one_data_set_have_a_column_each(write, crossed):
    for store in "bc":
        write(
            crossed / store,
            "last",
            cohort={"task": "superdiagnostic", "source": "challenge"},
            trained_on="a",
            hashes=Hashes(store=f"hash-{store}", trained_on="a"),
            transfer=TransferInfo(stores=("home", f"away-{store}")),
        )
    table = cells(sections(load_runs(crossed)), "linear")
    assert set(table["tested_on"]) == {"a", "b", "challenge, away-b", "challenge, away-c"}
    assert not table.duplicated(["readout", "encoder", "trained_on", "tested_on"]).any()


def test_a_column_counts_the_classes_that_all_its_probes_know(write, crossed):
    few = {"classes": ("CD", "MI"), "task": "superdiagnostic", "source": "b"}
    write(crossed / "few", "last", cohort=few, encoder=PLAIN, **crossing("c", "b"))
    found = sections(load_runs(crossed))
    table = cells(found, "linear")
    counts = table.groupby("tested_on")["classes"].unique().map(list).to_dict()
    assert counts == {"a": [3], "b": [2]}
    here = next(s for s in found if (s.trained_on, s.source) == (None, "b"))
    run = next(g for g in here.groups if g.first.info.encoder.name == "plain").runs["last"]
    told = run.predictions("test")
    expected = macro_resamples(told.targets[:, :2], told.scores[..., :2], groups=told.patients)
    cell = table[table["run"] == run.place].iloc[0]
    assert cell["score"] == pytest.approx(expected[0])
    assert cell["low"] == pytest.approx(np.percentile(expected[1:], 2.5))


def test_readouts_and_encoders_are_compared_in_pairs_on_the_other_data_set(found):
    (chapter,) = chapters(found)
    tables = [block.blocks[0].table for block in chapter.blocks if isinstance(block, Fold)]
    names = [table.name.rsplit("-", 1)[1] for table in tables]
    assert names == ["readouts", "encoders"] * 2
    gains = tables[0].numbers.set_index(["encoder", "readout"])["against_last_difference"]
    assert (gains.xs("PMA: gated weights", level="readout") > 0).all()
    encoders = tables[1].numbers
    assert set(encoders["encoder"].str.split(",").str[0]) == {"ipastmem"}


def test_the_chapter_has_a_heading_and_a_matrix_for_each_task(found):
    (chapter,) = chapters(found)
    assert [b.text for b in chapter.blocks if isinstance(b, Heading)] == ["superdiagnostic"]
    (gallery,) = (block for block in chapter.blocks if isinstance(block, Gallery))
    assert [figure.name for figure in gallery.figures] == ["superdiagnostic-transfer-linear"]
    assert gallery.wide


def test_the_report_keeps_transferred_runs_in_a_chapter_of_their_own(crossed, tmp_path):
    write_report([crossed], tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    opened = [line for line in page.splitlines() if line.startswith('<h2 id="superdiagnostic')]
    assert len(opened) == 2
    assert page.count(">Out of distribution</h2>") == 1
    assert "Probes trained on a, tested on b" in page
    assert page.count('href="../runs/') == 16  # every run says what it was made from
    assert (tmp_path / "out" / "figures" / "superdiagnostic-transfer-linear.svg").exists()
    assert (tmp_path / "out" / "figures" / "superdiagnostic-transfer-linear.csv").exists()


def test_without_transfers_there_is_no_chapter_of_them(runs):
    assert chapters(sections(load_runs(runs))) == []


def test_what_no_matrix_shows_leaves_the_report_without_one(tmp_path, write):
    write(tmp_path / "alf", "alf", cohort={"source": "b"}, **crossing("a", "b"))
    (chapter,) = chapters(sections(load_runs(tmp_path)))
    assert [b.figures for b in chapter.blocks if isinstance(b, Gallery)] == [[]]


@pytest.mark.parametrize("leak_check", ["names", "none"])
def test_an_encoder_that_could_not_be_checked_is_named_beside_what_it_was_tested_on(
    tmp_path, write, leak_check
):
    unknown = PLAIN.model_copy(update={"leak_check": leak_check})
    write(tmp_path / "last", cohort={"source": "b"}, encoder=unknown, **crossing("a", "b"))
    (chapter,) = chapters(sections(load_runs(tmp_path)))
    warnings = [b.text for b in chapter.blocks if isinstance(b, Words) and b.tone == "warn"]
    assert len(warnings) == 1
    assert warnings[0].startswith("No leak check of plain: ")
