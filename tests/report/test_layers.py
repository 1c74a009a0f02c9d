"""The figures of every layer's measures: random weights where they belong, and the theory."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.report import write_report
from myocard.report.topics.layers import chapters, layer_figures
from myocard.report.topics.theory import ALIGNMENT, MEASURES
from myocard.results.layers import LayerMeasures, Point
from myocard.results.run import EncoderInfo, Hashes


def write_layers(folder: Path, *, random: bool = False, **changes: Any) -> Path:
    """Write measures of four layers; attention has none of the embedding."""
    points = [Point(layer=k, value=k / 4, low=k / 4 - 0.1, high=1) for k in range(4)]
    fields = {
        "encoder": EncoderInfo(name="small", random=random, layers=4, width=12),
        "task": "ptbxl-all",
        "source": "ptbxl",
        "head": "linear",
        "leads": ("I", "II"),
        "split": "validation",
        "records": {"train": 50, "validation": 20},
        "best_layer": 2,
        "metric": "auroc",
        "measures": {m.key: points[m.key.startswith("attention") :] for m in MEASURES},
        "alignment": [[1.0 - abs(i - k) / 4 for i in range(4)] for k in range(4)],
        "mask_ratio": 0.75,
        "seed": 0,
        "hashes": Hashes(store="ff00"),
        "seconds": 1.0,
    }
    folder.mkdir(parents=True)
    LayerMeasures(**fields | changes).write(folder)
    return folder


def test_a_pretrained_encoder_is_drawn_with_the_random_one_of_its_kind(tmp_path):
    write_layers(tmp_path / "trained")
    write_layers(tmp_path / "random", random=True)
    write_layers(tmp_path / "elsewhere", random=True, hashes=Hashes(store="00ff"))
    measures, alignment = layer_figures([tmp_path])
    counts = measures.numbers.groupby("encoder", sort=False).size()
    assert counts.to_dict() == {"small, pretrained": 44, "small, random weights": 44}
    assert set(measures.numbers["measure"]) == {measure.key for measure in MEASURES}
    assert len(alignment.numbers) == 2 * 4 * 4
    assert "grey, with random weights" in measures.caption
    assert all(measure.label in measures.svg for measure in MEASURES)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "ptbxl-rhythm"},
        {"labels": "00ff"},
        {"split": "test", "records": {"train": 50, "test": 20}},
        {"leads": ("I",)},
        {"encoder": EncoderInfo(name="small", random=True, layers=4, width=24)},
        {"encoder": EncoderInfo(name="other", random=True, layers=4, width=12, preset="other")},
    ],
)
def test_random_weights_that_were_measured_otherwise_are_not_drawn_beside(tmp_path, changes):
    write_layers(tmp_path / "trained")
    write_layers(tmp_path / "random", random=True, **changes)
    measures, _ = layer_figures([tmp_path])
    assert set(measures.numbers["encoder"]) == {"small, pretrained"}


def test_an_encoder_alone_is_drawn_alone(tmp_path):
    write_layers(tmp_path / "random", random=True)
    measures, _ = layer_figures([tmp_path])
    assert "no random encoder" in measures.caption
    assert set(measures.numbers["encoder"]) == {"small, random weights"}


def test_what_was_not_measured_of_an_encoder_has_no_panel(tmp_path):
    points = (Point(layer=0, value=0.5, low=0.4, high=0.6),)
    write_layers(tmp_path / "few", measures={"probe": points, "effective_rank": points})
    measures, _ = layer_figures([tmp_path])
    drawn = [measure.key for measure in MEASURES if measure.label in measures.svg]
    assert drawn == ["probe", "effective_rank"]


def test_the_report_tells_the_theory_of_every_measure(tmp_path):
    write_layers(tmp_path / "trained")
    write_report([tmp_path], tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert "Why the middle?" in page
    for theory in (ALIGNMENT, *(measure.theory for measure in MEASURES)):
        assert theory.replace("'", "&#39;") in page
    table = pd.read_csv(tmp_path / "out/figures/layer-measures-1.csv")
    assert table.query("measure == 'lidar'")["value"].tolist() == [0, 0.25, 0.5, 0.75]


def test_measures_that_have_changed_are_drawn_again(tmp_path):
    folder = write_layers(tmp_path / "trained")
    page = write_report([tmp_path / "trained"], tmp_path / "out")
    assert "ptbxl-form" not in page.read_text()
    stated = (folder / "layers.json").read_text()
    (folder / "layers.json").write_text(stated.replace("ptbxl-all", "ptbxl-form"))
    write_report([tmp_path / "trained"], tmp_path / "out")
    assert "ptbxl-form" in page.read_text()


def test_without_measures_there_is_no_chapter_of_them(tmp_path):
    assert chapters([tmp_path]) == []


def test_measures_of_another_form_name_their_file(tmp_path):
    path = write_layers(tmp_path / "broken") / "layers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"alignment": "none"}))
    with pytest.raises(InputError, match=r"layers\.json: alignment: .*run `myocard layers` again"):
        layer_figures([tmp_path])
    path.write_text("{")
    with pytest.raises(InputError, match=r"layers\.json: the file: Invalid JSON.* again"):
        layer_figures([tmp_path])
