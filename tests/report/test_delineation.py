"""The chapter of delineations: curves by layer and tolerance, random weights where they belong."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.metrics.boundaries import EVENTS, TOLERANCES
from myocard.metrics.summary import Estimate
from myocard.report import write_report
from myocard.report.blocks import Gallery, Tabulated, Words
from myocard.report.topics.delineation import chapters
from myocard.results.delineation import MEAN, Accuracy, DelineationMeasures, Gain
from myocard.results.run import EncoderInfo, Hashes

LAYERS = 4


def accuracy(layer: int, event: str, tolerance: int) -> Accuracy:
    """F1 rises with the layer; nothing is found at the first."""
    value = None if layer == 0 else layer / 10 + tolerance / 1000
    score = Estimate(value=value, low=value and value - 0.1, high=value and value + 0.1)
    if event == MEAN:
        return Accuracy(layer=layer, event=event, tolerance=tolerance, f1=score)
    names = ("f1", "sensitivity", "predictive_value", "error_mean", "error_sd")
    scores = dict.fromkeys(names, score)
    return Accuracy(layer=layer, event=event, tolerance=tolerance, waves=9, **scores)


def write(folder: Path, *, random: bool = False, **changes: Any) -> Path:
    fields = {
        "encoder": EncoderInfo(name="small", random=random, layers=LAYERS, width=12),
        "source": "ludb",
        "leads": ("I", "II"),
        "rows": "leads",
        "split": "test",
        "records": {"train": 50, "validation": 20, "test": 10},
        "patients": {"train": 50, "validation": 20, "test": 10},
        "best_layer": 2,
        "choice": 40,
        "penalties": (0.1,) * LAYERS,
        "shortest": 0.03,
        "accuracy": [
            accuracy(layer, event, tolerance)
            for layer in range(LAYERS)
            for tolerance in TOLERANCES
            for event in (*EVENTS, MEAN)
        ],
        "gains": [
            Gain(tolerance=each, difference=-0.1, low=-0.2, high=0.05, p=0.1, se=0.05)
            for each in TOLERANCES
        ],
        "resamples": 10,
        "hashes": Hashes(store="ff00"),
        "waves": "aa",
        "seconds": 1.0,
    }
    folder.mkdir(parents=True)
    DelineationMeasures(**fields | changes).write(folder)
    return folder


def test_every_layer_that_found_something_is_drawn_with_random_weights_beside(tmp_path):
    write(tmp_path / "trained")
    write(tmp_path / "random", random=True)
    write(tmp_path / "elsewhere", random=True, waves="bb")
    (chapter,) = chapters([tmp_path])
    (gallery,) = (block for block in chapter.blocks if isinstance(block, Gallery))
    for figure in gallery.figures:
        assert "dashed, with random weights" in figure.caption
        assert len(figure.numbers) == 2 * (LAYERS - 1) * 7 * len(TOLERANCES)
        assert figure.numbers["layer"].min() == 1
    assert "150 ms, random weights" in gallery.figures[0].svg


def test_the_gain_of_the_best_layer_on_the_last_is_told_with_its_sign(tmp_path):
    (chapter,) = chapters([write(tmp_path / "trained")])
    told = [block.text for block in chapter.blocks if isinstance(block, Words)]
    assert "Layer 2, best on validation, minus the last, 3:" in told[1]
    assert "−0.100 [−0.200, +0.050] within 20 ms" in told[1]


def test_the_table_tells_every_event_at_the_best_layer(tmp_path):
    (chapter,) = chapters([write(tmp_path / "trained")])
    (table,) = (block.table for block in chapter.blocks if isinstance(block, Tabulated))
    assert table.shown["Boundary"].tolist() == list(EVENTS)
    assert table.shown["F1, 40 ms"].iloc[0] == "0.240 [0.140, 0.340]"
    assert table.shown["Error, mean ± SD [ms]"].iloc[0] == "+0 ± 0"
    assert (table.numbers["layer"] == 2).all()


def test_encoders_with_random_weights_alone_are_drawn_alone(tmp_path):
    (chapter,) = chapters([write(tmp_path / "random", random=True)])
    (gallery,) = (block for block in chapter.blocks if isinstance(block, Gallery))
    assert "no random encoder was read beside it" in gallery.figures[0].caption


def test_the_report_has_the_chapter_and_its_files(tmp_path):
    write(tmp_path / "results/trained")
    page = write_report([tmp_path / "results"], tmp_path / "out")
    assert "Where waves begin and end" in page.read_text()
    drawn = pd.read_csv(tmp_path / "out/figures/delineation-1.csv")
    assert set(drawn["event"]) == {MEAN, *EVENTS} - {"beat"}
    assert (tmp_path / "out/tables/delineation-1.csv").exists()


def test_without_delineations_there_is_no_chapter_and_a_broken_one_is_named(tmp_path):
    assert chapters([tmp_path]) == []
    (write(tmp_path / "broken") / "delineation.json").write_text("{")
    with pytest.raises(InputError, match=r"delineation\.json: .* run `myocard delineate` again"):
        chapters([tmp_path])
