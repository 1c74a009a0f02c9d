"""Encoders ranked, and told apart only where they can be."""

from itertools import combinations
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as some
from written_runs import LAYERS, write_baseline, write_run

from myocard.errors import InputError
from myocard.report.leaderboard import write_leaderboard
from myocard.report.leaderboard.ranking import letters
from myocard.results.leaderboard import Leaderboard
from myocard.results.run import EncoderInfo


def encoder(name: str, **changes) -> EncoderInfo:
    return EncoderInfo(name=name, hash=name, layers=LAYERS, width=8, **changes)


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good encoders alike, one that knows little, one of random weights, a baseline."""
    place = tmp_path_factory.mktemp("board")
    sources = {"ptbxl": 1000, "chapman": 500}
    for name, noise, info in (
        ("good", 0.6, encoder("good", sources=sources, datasets=("ptbxl",))),
        ("like", 0.6, encoder("like", leak_check="none")),
        ("poor", 6.0, encoder("poor", datasets=())),
    ):
        write_run(place / "runs" / name / "last", noise=2 * noise, encoder=info)
        write_run(place / "runs" / name / "pma", "pma", noise=noise, encoder=info)
    write_run(place / "runs" / "random", noise=9.0, encoder=encoder("drawn", random=True))
    write_baseline(place / "runs" / "rocket", noise=3.0)
    write_run(place / "runs" / "closed", test=False, encoder=encoder("closed"))
    write_leaderboard([place / "runs"], place / "out")
    return place / "out"


PAIRS = some.sets(some.sampled_from([*combinations(range(6), 2)]))


@given(PAIRS)
def test_two_share_a_letter_unless_they_differ(differ):
    found = letters(6, differ)
    for one, other in combinations(range(6), 2):
        assert bool(set(found[one]) & set(found[other])) == ((one, other) not in differ)
    assert all(found)


def test_encoders_stand_by_score_with_their_ties(out: Path):
    (board,) = Leaderboard.read(out).boards
    assert (board.split, board.records, board.patients) == ("test", 80, 40)
    by_name = {entry.encoder: entry for entry in board.entries}
    values = [entry.best.score.value for entry in board.entries]
    assert values == sorted(values, reverse=True)
    assert [entry.place for entry in board.entries] == [*range(1, len(board.entries) + 1)]
    assert set(by_name["good"].ties) & set(by_name["like"].ties)
    assert not set(by_name["good"].ties) & set(by_name["poor"].ties)
    assert board.entries[0].gap is None
    gap = by_name["poor"].gap
    assert gap.low < gap.difference < gap.high < 0
    assert gap.difference == pytest.approx(by_name["poor"].best.score.value - values[0], abs=0.05)
    assert board.unranked == {"closed, pretrained": "not scored on test"}


def test_the_readout_that_stands_for_an_encoder_is_best_on_validation(out: Path):
    (board,) = Leaderboard.read(out).boards
    good = next(entry for entry in board.entries if entry.encoder == "good")
    assert good.best.name.startswith("PMA")
    assert good.best == good.mixture
    assert good.last.score.value < good.best.score.value


def test_the_page_says_what_each_has_seen(out: Path):
    page = (out / "index.html").read_text()
    assert "good: ptbxl (1,000 records), chapman (500 records); tested records may be among" in page
    assert "like: unknown (tested records may have been seen)." in page
    assert "poor: nothing." in page
    assert "MiniRocket: nothing." in page
    assert "http" not in page
    table = pd.read_csv(out / "leaderboard.csv")
    (board,) = Leaderboard.read(out).boards
    assert table["encoder"].tolist() == [entry.encoder for entry in board.entries]
    assert table.set_index("encoder")["pretrained_on"]["like"] == "unknown"


def test_a_board_is_drawn_again_when_its_runs_have_changed(tmp_path: Path):
    write_run(tmp_path / "runs" / "one", encoder=encoder("one"))
    page = write_leaderboard([tmp_path / "runs"], tmp_path / "out")
    first = page.stat().st_mtime_ns
    write_leaderboard([tmp_path / "runs"], tmp_path / "out")
    assert page.stat().st_mtime_ns == first
    write_run(tmp_path / "runs" / "two", encoder=encoder("two"))
    write_leaderboard([tmp_path / "runs"], tmp_path / "out")
    assert len(Leaderboard.read(tmp_path / "out").boards[0].entries) == 2


def test_other_records_are_not_ranked_among_these(tmp_path: Path):
    for name in ("a", "b"):
        write_run(tmp_path / name, encoder=encoder(name))
    two = ("CD", "MI")
    write_run(tmp_path / "c", encoder=encoder("c"), cohort={"classes": two})
    write_leaderboard([tmp_path], tmp_path.with_name("out-other"))
    (board,) = Leaderboard.read(tmp_path.with_name("out-other")).boards
    assert board.unranked == {"c, pretrained": "scored on other records"}
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no run in or below"):
        write_leaderboard([tmp_path / "empty"], tmp_path / "nothing")
