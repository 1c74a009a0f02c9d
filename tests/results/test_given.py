"""Predictions as they come: what is read of a table, and what is refused by name."""

import numpy as np
import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.results.columns import UNNAMED, Asked
from myocard.results.given import find_given, read_given

TABLE = {
    "id": ["003", "001", "002"],
    "score:AF": [0.3, 0.1, 0.2],
    "target:AF": [1, 0, np.nan],
    "patient": ["07", "07", "8"],
    "sex": ["F", "M", None],
    "colour": ["a", "b", "c"],
}


@pytest.fixture
def saved(tmp_path):
    """Write a table with some columns over those of ``TABLE``; None leaves one out."""

    def save(name="a.csv", **changes):
        merged = TABLE | {column.replace("__", ":"): each for column, each in changes.items()}
        table = pd.DataFrame({column: each for column, each in merged.items() if each is not None})
        if name.endswith(".csv"):
            table.to_csv(tmp_path / name, index=False)
        else:
            table.to_parquet(tmp_path / name, index=False)
        return tmp_path / name

    return save


def read(file, split="test", outcome="any", decimal=None):
    return read_given("a", file, split, Asked(outcome, ("sex",), decimal))


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_ids_and_patients_are_text_and_records_are_sorted_by_id(saved, name):
    given = read(saved(name))
    assert given.ids.tolist() == ["001", "002", "003"]
    assert given.scores.tolist() == [[[0.1], [0.2], [0.3]]]
    assert given.told["patient"].tolist() == ["07", "8", "07"]
    assert given.told["sex"].tolist()[::2] == ["M", "F"]
    assert np.isnan(given.told.loc["002", "target:AF"])
    assert list(given.told) == ["target:AF", "patient", "sex"]
    assert given.at(np.array(["003", "001"], object)).tolist() == [[[0.3], [0.1]]]


def test_numbers_in_parquet_are_the_text_that_csv_would_have(saved):
    given = read(saved("a.parquet", id=[30, 1, 2], patient=[7, 7, 8]))
    assert given.ids.tolist() == ["1", "2", "30"]
    assert given.told["patient"].tolist() == ["7", "8", "7"]


@pytest.mark.parametrize(
    ("score", "target", "named"),
    [
        ("score_AF", "target_AF", "AF"),
        ("score", "target", UNNAMED["any"]),
        ("score_a:b", "target", "a:b"),
    ],
)
def test_columns_may_be_written_with_an_underscore_or_without_a_class(saved, score, target, named):
    columns = {score: [0.3, 0.1, 0.2], target: [1, 0, 1]}
    given = read(saved(score__AF=None, target__AF=None, **columns))
    assert given.classes == (named,)


def test_several_seeds_are_kept_apart(saved):
    one = pd.read_csv(saved(), dtype=str).assign(seed=4)
    other = one.assign(seed=2, **{"score:AF": ["0.6", "0.4", "0.5"]})
    file = saved()
    pd.concat([one, other]).to_csv(file, index=False)
    assert read(file).scores[:, :, 0].tolist() == [[0.4, 0.5, 0.6], [0.1, 0.2, 0.3]]
    pd.concat([one, other[:2]]).to_csv(file, index=False)
    with pytest.raises(InputError, match="002 is not there for every seed"):
        read(file)
    pd.concat([one, other.assign(sex=["M", "M", None])]).to_csv(file, index=False)
    with pytest.raises(InputError, match="sex of 003 differs from row to row"):
        read(file)


def test_only_the_rows_of_the_split_are_read(saved):
    file = saved(split=["test", "validation", "test"])
    assert read(file).ids.tolist() == ["002", "003"]
    assert read(file, "validation").ids.tolist() == ["001"]
    with pytest.raises(InputError, match="no record of the split train; it has test, validation"):
        read(file, "train")
    with pytest.raises(InputError, match="no record of the split validation; it has test"):
        read(saved(), "validation")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"id": None}, "no column id; it has score:AF"),
        ({"id": ["1", None, "2"]}, "1 rows have no id"),
        ({"id": ["1", "1", "2"]}, "1 ids stand twice, such as 1"),
        ({"score__AF": None}, "no column of scores"),
        ({"score__AF": [0.1, np.nan, 0.2]}, "1 scores are missing or infinite, such as score:AF"),
        ({"score__AF": [0.1, np.inf, 0.2]}, r"column score:AF: 'inf' \(line 3\) is no number"),
        ({"score__AF": ["0.1", "x", "y"]}, r"'x' \(line 3\), 'y' \(line 4\) is no number"),
        ({"score__AF": ["0.1", "0,2", "3"]}, "a decimal point in .* a decimal comma in"),
        ({"score__AF": ["1.234"] * 3}, "say --decimal"),
        ({"score_AF": [1, 2, 3]}, "score:AF and score_AF name one output"),
        (
            {"target__AF": [1, 0, 2]},
            "target:AF of record 002 is '2'; give 1, 0, or a blank .* --kind",
        ),
        (
            {"target__AF": [1, "sick", 0]},
            "target:AF of record 001 is 'sick'; give 1, 0, or a blank",
        ),
        ({"event__AF": [1, 0, 1]}, "event:AF is of a time; say --kind time"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_file(saved, changes, told):
    file = saved(**changes)
    with pytest.raises(InputError, match=told) as refused:
        read(file)
    assert str(refused.value).startswith(f"{file}: ")


def test_a_table_that_is_none_is_refused(tmp_path):
    (tmp_path / "a.parquet").write_text("id")
    (tmp_path / "b.csv").write_text("id,score\n1,2,3\n")
    (tmp_path / "c.txt").write_bytes(b"\x81\xff")
    (tmp_path / "d.json").touch()
    for name, told in (
        ("a.parquet", "not a readable table"),
        ("b.csv", "line 2 has 3 cells, and there are 2 columns"),
        ("c.txt", "no text in UTF-8"),
        ("d.json", "save it as .csv"),
    ):
        with pytest.raises(InputError, match=f"{name}: {told}"):
            read(tmp_path / name)


def test_models_are_called_by_what_is_given_or_by_their_place(saved, tmp_path):
    file = saved()
    for run in ("x/one", "x/two"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "predictions.parquet").touch()
    run = tmp_path / "x/one"
    found = find_given([str(file), f"mine={file}", f"best={run}", str(tmp_path / "x")])
    assert list(found) == ["a", "mine", "best", "x/one", "x/two"]
    assert found["best"] == found["x/one"] == (run / "predictions.parquet").resolve()
    assert list(find_given([str(run)])) == ["one"]
    for given, told in (
        ([str(file), str(file)], "both called a; give NAME=PATH"),
        ([f"b={tmp_path / 'x'}"], "both called b"),
        ([str(tmp_path / "c.csv")], "c.csv: no such file or folder"),
    ):
        with pytest.raises(InputError, match=told):
            find_given(given)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no predictions.parquet"):
        find_given([str(tmp_path / "empty")])
