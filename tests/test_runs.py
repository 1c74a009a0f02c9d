"""Runs as people hold them."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from written_runs import LAYERS, write_run, write_runs

import myocard
from myocard.errors import InputError
from myocard.results.run import EncoderInfo
from myocard.runs import OpenRun, RunFolders, Runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_runs(tmp_path_factory.mktemp("runs"))


def svgs(html: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(each) for each in re.findall(r"<svg.*?</svg>", html, re.S)]


def test_runs_are_a_list_with_a_table(folder: Path):
    runs = myocard.load_runs(folder)
    assert len(runs.frame()) == len(runs)
    assert runs.frame()["split"].unique() == ["validation"]
    assert runs.frame(test=True)["split"].unique() == ["test"]
    assert isinstance(runs[0], OpenRun)
    assert isinstance(runs[:2], Runs)
    layers = runs.where(readout="layer", random=False)
    assert sorted(run.info.layer for run in layers) == [*range(LAYERS)]
    assert [run.info.layer for run in runs.where(layer=2, random=False)] == [2]
    with pytest.raises(InputError, match="no column 'reader'; choose from task"):
        runs.where(reader="pma")


def test_a_cell_that_ends_in_runs_shows_their_curve_and_scores(folder: Path):
    runs = myocard.load_runs(folder)
    shown = runs._repr_html_()
    (curve,) = svgs(shown)
    assert "layer curve" in curve.get("aria-label")
    for run in [*runs.where(readout="pma"), *runs.where(readout="layer", layer=LAYERS - 1)]:
        assert run.info.test.main.macro.text in shown
    assert "<script" not in shown
    # Two figures of a notebook share no id, else one would be clipped by the other's frame.
    ids = [re.findall(r' id="([^"]+)"', each) for each in (shown, runs._repr_html_())]
    assert not set(ids[0]) & set(ids[1])


def test_folders_that_a_probe_returns_show_the_runs_in_them(folder: Path):
    folders = RunFolders([folder / "layer-0", folder / "layer-1"])
    assert folders[0] == folder / "layer-0"
    assert len(svgs(folders._repr_html_())) == 1


def test_a_cell_that_ends_in_a_run_shows_its_metrics_and_weights(folder: Path):
    run = myocard.open_run(folder / "pma")
    shown = run._repr_html_()
    assert "layer weights" in svgs(shown)[0].get("aria-label")
    for score in run.info.test.scores.values():
        assert score.macro.text in shown
    assert svgs(myocard.open_run(folder / "last")._repr_html_()) == []


def test_names_are_shown_as_they_are(tmp_path: Path):
    info = EncoderInfo(name="<b>bold</b>", hash="1", layers=2)
    write_run(tmp_path / "one", "layer", layer=1, encoder=info)
    for shown in (myocard.load_runs(tmp_path), myocard.open_run(tmp_path / "one")):
        assert "<b>bold" not in shown._repr_html_()
    assert "no runs" in Runs()._repr_html_()
