"""Measures of layers on disk: read as written, and as a table beside."""

import json

import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.results.layers import LayerMeasures, Point
from myocard.results.run import EncoderInfo, Hashes

POINTS = {
    "probe": (Point(layer=0, value=0.5, low=0.4, high=0.6),),
    "lidar": (Point(layer=0, value=3, low=2, high=4), Point(layer=1, value=5, low=4, high=6)),
}


@pytest.fixture
def measures() -> LayerMeasures:
    return LayerMeasures(
        encoder=EncoderInfo(name="small", layers=2, width=12),
        task="any",
        source="made",
        head="linear",
        leads=("I",),
        split="validation",
        records={"train": 50, "validation": 20},
        best_layer=1,
        metric="auroc",
        measures=POINTS,
        alignment=((1, 0.5), (0.5, 1)),
        mask_ratio=0.75,
        seed=0,
        hashes=Hashes(store="ff"),
        seconds=1.5,
    )


def test_measures_are_read_as_they_were_written(measures, tmp_path):
    measures.write(tmp_path)
    assert LayerMeasures.read(tmp_path) == measures
    assert json.loads((tmp_path / "layers.json").read_text())["schema"] == 3


def test_the_table_has_a_line_for_each_measure_of_each_layer(measures, tmp_path):
    measures.write(tmp_path)
    table = pd.read_csv(tmp_path / "layers.csv")
    assert table.to_dict("records") == [
        {"measure": name, "layer": point.layer, "value": point.value}
        | {"low": point.low, "high": point.high}
        for name, points in POINTS.items()
        for point in points
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": 1}, "schema: Input should be 3"),
        ({"split": "train"}, "split: Input should be 'validation' or 'test'"),
        ({"measures": {"lidar": [{"layer": 0}]}}, "measures.lidar.0.value: Field required"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_measures_of_another_schema_name_their_file_and_the_place(measures, tmp_path, change, told):
    measures.write(tmp_path)
    path = tmp_path / "layers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=rf"layers\.json: {told}.*; run `myocard layers` again"):
        LayerMeasures.read(tmp_path)


def test_measures_that_are_not_there_are_named(tmp_path):
    with pytest.raises(InputError, match="no layers.json there; run `myocard layers`"):
        LayerMeasures.read(tmp_path)
