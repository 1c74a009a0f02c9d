"""Files that may be no embedding, or not that of the record, are refused with a fix."""

from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.evaluation.embeddings import import_embeddings, records_of
from myocard.evaluation.embeddings.records import read_records
from myocard.evaluation.features import Features

COUNT = 40
LISTED = pd.DataFrame(
    {
        "id": [f"r{number:02d}" for number in range(COUNT)],
        "patient": [f"p{number // 2}" for number in range(COUNT)],
        "fold": [1 + number // 2 % 10 for number in range(COUNT)],
    }
)
ONE = np.random.default_rng(0).normal(size=(COUNT, 6)).astype(np.float32)
NUMBERS = LISTED[["id"]].join(pd.DataFrame(ONE).add_prefix("x"))


@pytest.fixture
def place(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    LISTED.to_csv(folder / "records.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("separator", "encoding"), [(";", "cp1252"), ("\t", "utf-16"), ("|", "utf-8-sig")]
)
def test_records_are_read_as_spreadsheets_write_them(tmp_path, separator, encoding):
    table = LISTED.assign(site="K\u00f6ln", age="61,5").rename(columns=str.capitalize)
    table.to_csv(tmp_path / "records.csv", sep=separator, encoding=encoding, index=False)
    found = read_records(tmp_path / "records.csv").table
    assert found[["id", "patient", "fold"]].equals(LISTED)
    assert set(found["site"]) == {"K\u00f6ln"}
    assert set(found["age"]) == {61.5}


def imported(place: Path, out: Path) -> Features:
    (features,) = import_embeddings(place, out).features
    return features


def lists(values: list[object]) -> Callable[[Path], None]:
    return lambda folder: LISTED[["id"]].assign(e=values).to_parquet(folder / "a.parquet")


def columns(**more: object) -> Callable[[Path], None]:
    return lambda folder: NUMBERS.assign(**more).to_parquet(folder / "a.parquet")


def array(values: np.ndarray) -> Callable[[Path], None]:
    return lambda folder: np.save(folder / "a.npy", values)


def with_labels_as_floats(folder: Path) -> None:
    labels = np.where(ONE[:, :3] > 0, 1.0, 0.0)
    labels[0, 0] = np.nan
    np.savez(folder / "a.npz", x=ONE, y=labels)


def with_a_folder(folder: Path) -> None:
    np.save(folder / "a.npy", ONE)
    (folder / "b.npy").mkdir()


def with_a_link_to_nothing(folder: Path) -> None:
    np.save(folder / "a.npy", ONE)
    (folder / "b.npy").symlink_to("nowhere")


def twice_in_a_zip(folder: Path) -> None:
    np.save(folder / "x.npy", ONE)
    with ZipFile(folder / "a.npz", "w") as archive:
        archive.write(folder / "x.npy", "x.npy")
        archive.write(folder / "x.npy", "x")
    (folder / "x.npy").unlink()


def an_id_twice(folder: Path) -> None:
    NUMBERS.assign(id=["r01", *LISTED["id"][1:]]).to_parquet(folder / "a.parquet")


FAULTS = {
    "labels of 0 and 1": (with_labels_as_floats, r"a\.npz, y: float64 .* looks like labels"),
    "a folder": (with_a_folder, r"b\.npy: no file, or a link to none; move it"),
    "a link": (with_a_link_to_nothing, r"b\.npy: no file, or a link to none"),
    "a name twice": (twice_in_a_zip, r"a\.npz: not a readable \.npz \(x is in it twice\); save"),
    "an id twice": (an_id_twice, r"a\.parquet: an id is there twice"),
    "a target": (columns(ef=0.5), r"a\.parquet: columns x0 and ef differ by more .* drop others"),
    "lists of words": (lists([["a", "b"]] * COUNT), r"column e holds list<.*string>; give a list"),
    "lists of lists": (lists([[[1.0], [2.0]]] * COUNT), "column e holds list<.*named by the colum"),
    "empty lists": (lists([[]] * COUNT), r"a\.parquet: column e holds list<"),
    "lists with gaps": (lists([[1.0, None]] * COUNT), "a of record r00 is not finite"),
    "a list that is none": (lists([None, *ONE[1:]]), r"a\.parquet: lists of several lengths"),
    "infinite float16": (array(np.full((COUNT, 4), np.inf, np.float16)), "r00 is not finite"),
    "squares overflow": (array(ONE * np.float32(1e30)), r"not finite, or beyond 1e\+15"),
    "nearly constant": (
        array(ONE * np.float32(1e-3)),
        r"model: a has a deviation of 0\.0009, and heads need 0\.01 or more .* by 1e\+03",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_file_and_nothing_is_written(place, fault):
    spoil, told = FAULTS[fault]
    spoil(place)
    before = sorted(place.parent.rglob("*"))
    with pytest.raises(InputError, match=told):
        imported(place, place.parent / "out")
    assert sorted(place.parent.rglob("*")) == before


def test_no_file_of_embeddings_is_passed_over_for_its_name(place):
    np.save(place / "records.npy", ONE)
    np.save(place / "b.npy", ONE + 1)
    (place / "b.npy").rename(place / "B.NPY")
    features = imported(place, place.parent / "out")
    assert [layer.name for layer in features.layers] == ["B", "records"]
    assert np.array_equal(features.states[:, 0], ONE + 1)


def test_the_records_of_one_file_stand_beside_it(place):
    np.save(place / "one.npy", ONE)
    found = imported(place / "one.npy", place.parent / "out")
    assert found.records["patient"].tolist() == LISTED["patient"].tolist()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (LISTED[:0], "no rows; give one for each record"),
        (LISTED.assign(fold=0), "fold '0': give a whole number from 1 to 10"),
        (LISTED.assign(fold="1e300"), "fold '1e300': give a whole number from 1 to 10"),
        (LISTED.assign(source="nan"), r"no source in row 1 \('nan'\)"),
    ],
)
def test_a_table_of_records_that_says_less_than_it_seems_is_refused(tmp_path, table, told):
    table.to_csv(tmp_path / "records.csv", index=False)
    with pytest.raises(InputError, match=rf"records\.csv: {told}"):
        read_records(tmp_path / "records.csv")


@pytest.mark.parametrize("cell", [["p"], b"p"])
def test_a_cell_of_parts_or_bytes_is_no_word(tmp_path, cell):
    LISTED.assign(patient=[cell] * COUNT).to_parquet(tmp_path / "records.parquet")
    with pytest.raises(InputError, match=r"patient .* in row 1; write a word or number"):
        read_records(tmp_path / "records.parquet")


def test_codes_that_are_not_there_are_none_and_traits_that_are_not_read_are_told(tmp_path, caplog):
    codes = [[None, " scp:NORM "]] * COUNT
    LISTED.assign(codes=codes, age=["60", "old"] * 20).to_parquet(tmp_path / "records.parquet")
    found = read_records(tmp_path / "records.parquet").table
    assert found["codes"].tolist() == [["scp:NORM"]] * COUNT
    assert found["age"].isna().sum() == 20
    assert "age of 20 records not understood and left empty: 'old' (20)" in caplog.text


def test_records_are_read_alike_from_arrays_tables_and_parquet(place, tmp_path):
    np.save(place / "one.npy", ONE)
    NUMBERS.assign(patient=LISTED["patient"], fold=LISTED["fold"]).to_parquet(
        tmp_path / "x.parquet"
    )
    tables = [
        records_of(each)
        for each in (place, place / "one.npy", place / "records.csv", tmp_path / "x.parquet")
    ]
    for table in tables:
        pd.testing.assert_frame_equal(table, tables[0])
    assert tables[0][["id", "patient", "fold"]].equals(LISTED)
    NUMBERS.to_parquet(tmp_path / "x.parquet")
    assert "fold" not in records_of(tmp_path / "x.parquet")
    (place / "records.csv").unlink()
    with pytest.raises(InputError, match="arrays name no records"):
        records_of(place)
