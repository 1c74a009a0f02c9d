"""The figure of every layer: what ``layers.json`` says, and random weights where they belong."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.report import write_report
from myocard.report.anatomies import anatomies
from myocard.report.theory import MEASURES


def write_layers(folder: Path, *, random: bool = False, **changes: Any) -> Path:
    """Measures of four layers; attention has none of the embedding."""
    points = [{"layer": k, "value": k / 4, "low": k / 4 - 0.1, "high": 1.0} for k in range(4)]
    measures = {m.key: points[m.key.startswith("attention") :] for m in MEASURES}
    found = {
        "schema": 1, "encoder": {"name": "small", "random": random, "layers": 4, "width": 12},
        "task": "ptbxl-all", "source": "ptbxl", "leads": ["I", "II"], "split": "validation",
        "records": {"train": 50, "validation": 20}, "best_layer": 2, "measures": measures,
        "alignment": [[1.0 - abs(i - k) / 4 for i in range(4)] for k in range(4)],
        "hashes": {"store": "ff00"},
    } | changes  # fmt: skip
    folder.mkdir(parents=True)
    (folder / "layers.json").write_text(json.dumps(found))
    return folder


def test_a_pretrained_encoder_is_drawn_with_the_random_one_of_its_kind(tmp_path):
    write_layers(tmp_path / "trained")
    write_layers(tmp_path / "random", random=True)
    write_layers(tmp_path / "elsewhere", random=True, hashes={"store": "00ff"})
    measures, alignment = anatomies([tmp_path])
    counts = measures.numbers.groupby("encoder", sort=False).size()
    assert counts.tolist() == [44, 44]
    assert set(measures.numbers["measure"]) == {measure.key for measure in MEASURES}
    assert len(alignment.numbers) == 2 * 4 * 4
    assert "grey, with random weights" in measures.caption
    assert all(measure.label in measures.svg for measure in MEASURES)


def test_an_encoder_alone_is_drawn_alone(tmp_path):
    write_layers(tmp_path / "random", random=True)
    measures, _ = anatomies([tmp_path])
    assert "no random encoder" in measures.caption
    assert set(measures.numbers["encoder"]) == {"small, random weights"}


def test_the_report_tells_the_theory_of_every_measure(tmp_path):
    write_layers(tmp_path / "trained")
    write_report([tmp_path], tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert "Why the middle?" in page
    for measure in MEASURES:
        assert measure.theory.replace("'", "&#39;") in page
    table = pd.read_csv(tmp_path / "out/figures/anatomy-1.csv")
    assert table.query("measure == 'lidar'")["value"].tolist() == [0, 0.25, 0.5, 0.75]


def test_measures_of_another_form_name_their_file(tmp_path):
    write_layers(tmp_path / "broken", alignment="none")
    with pytest.raises(InputError, match=r"layers\.json: alignment: .*run `myocard layers` again"):
        anatomies([tmp_path])
