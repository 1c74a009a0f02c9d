"""Embeddings that people bring: read in every form, and scored like those of our own encoders."""

import logging
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from myocard.encoders.protocol import Layer
from myocard.errors import InputError
from myocard.evaluation.embeddings import import_embeddings
from myocard.evaluation.embeddings.records import read_records
from myocard.evaluation.features import Features, extract
from myocard.evaluation.probing import probe
from myocard.recipe import Optimisation, ProbeRecipe, Split
from myocard.report import write_report
from myocard.results.run import Run
from myocard.results.saved import load_runs

NAMES = [f"layer_{layer}" for layer in (1, 2, 10)]
LISTED = pd.DataFrame(
    {
        "id": [f"r{number:02d}" for number in range(40)],
        "patient": [f"p{number // 2}" for number in range(40)],
        "fold": [1 + number // 2 % 10 for number in range(40)],
    }
)
ARRAYS = np.random.default_rng(0).normal(size=(40, 3, 6)).astype(np.float32)


def recipe(*readouts: str, **changes) -> ProbeRecipe:
    given = {
        "task": "ptbxl-superdiagnostic",
        "readouts": readouts,
        "heads": ("linear",),
        "penalties": (1e-2, 1e-1),
        "seeds": (0,),
        "resamples": 20,
        "split": Split(train=(1, 2, 3, 4, 5, 6), validation=(7, 8), test=(9, 10)),
        "optimisation": Optimisation(epochs=1, base_learning_rate=0.01, weight_decay=0.0),
    }
    return ProbeRecipe(**given | changes)


def by_npy(folder: Path) -> None:
    np.save(folder / "all.npy", ARRAYS)


def by_npy_a_layer(folder: Path) -> None:
    for layer, name in enumerate(NAMES):
        np.save(folder / f"{name}.npy", np.asfortranarray(ARRAYS[:, layer]))


def by_npz(folder: Path) -> None:
    np.savez(folder / "all.npz", ARRAYS)


def by_npz_of_layers(folder: Path) -> None:
    layers = {name: ARRAYS[:, layer] for layer, name in enumerate(NAMES)}
    np.savez_compressed(folder / "all.npz", **layers)


def by_npz_a_layer(folder: Path) -> None:
    for layer, name in enumerate(NAMES):
        np.savez(folder / f"{name}.npz", ARRAYS[:, layer])


def table_of(layer: int) -> pd.DataFrame:
    return LISTED[["id"]].join(pd.DataFrame(ARRAYS[:, layer]).add_prefix("x"))


def by_parquet_a_layer(folder: Path) -> None:
    for layer, name in enumerate(NAMES):
        table_of(layer).to_parquet(folder / f"{name}.parquet", index=False)


def by_parquet_of_layers(folder: Path) -> None:
    tables = [table_of(layer).assign(layer=NAMES[layer]) for layer in (2, 0, 1)]
    mixed = pd.concat(tables).sort_values("id", kind="stable")
    mixed.to_parquet(folder / "all.parquet")


def by_parquet_of_lists(folder: Path) -> None:
    for layer, name in enumerate(NAMES):
        lists = LISTED[["id"]].assign(embedding=list(ARRAYS[:, layer]))
        lists.to_parquet(folder / f"{name}.parquet", index=False)


FORMS = (
    by_npy,
    by_npy_a_layer,
    by_npz,
    by_npz_of_layers,
    by_npz_a_layer,
    by_parquet_a_layer,
    by_parquet_of_layers,
    by_parquet_of_lists,
)


@pytest.fixture
def place(tmp_path) -> Path:
    """A folder with a table of records, to which embeddings come."""
    folder = tmp_path / "model"
    folder.mkdir()
    LISTED.to_csv(folder / "records.csv", index=False)
    return folder


def imported(place: Path, **how) -> Features:
    (features,) = import_embeddings(place, place.parent / "out", **how).features
    return features


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_states(place, form: Callable[[Path], None]):
    form(place)
    features = imported(place)
    assert features.folder == place.parent / "out" / "features" / "model"
    assert features.states.dtype == np.float32
    assert np.array_equal(features.states, ARRAYS)
    assert isinstance(features.states, np.memmap)
    assert [layer.width for layer in features.layers] == [6, 6, 6]
    assert (features.encoder.name, features.encoder.layers) == ("model", 3)
    assert (features.encoder.width, features.encoder.leak_check) == (6, "none")
    assert features.records[["id", "patient", "fold"]].equals(LISTED)
    assert not list(place.parent.rglob(".*"))


def test_layers_are_in_their_natural_order_which_is_told(place, caplog):
    by_npy_a_layer(place)
    with caplog.at_level(logging.INFO):
        features = imported(place)
    assert features.layers == tuple(Layer(name, 6) for name in NAMES)
    assert "layers in order: layer_1 (6), layer_2 (6), layer_10 (6); the first" in caplog.text


def test_layers_of_different_widths_lie_one_behind_the_other(place):
    np.save(place / "a.npy", ARRAYS[:, 0])
    np.save(place / "b.npy", ARRAYS[:, 1, :4])
    features = imported(place)
    assert np.array_equal(features.states, np.hstack([ARRAYS[:, 0], ARRAYS[:, 1, :4]]))
    assert features.encoder.width is None


@pytest.mark.parametrize(
    ("given", "kept"), [("<f2", "<f2"), (">f4", "<f4"), ("<f8", "<f4")], ids=str
)
def test_numbers_keep_their_precision_up_to_float32(place, caplog, given, kept):
    np.save(place / "one.npy", ARRAYS[:, 0].astype(given))
    with caplog.at_level(logging.INFO):
        features = imported(place)
    assert features.states.dtype == kept
    assert np.array_equal(features.states[:, 0], ARRAYS[:, 0].astype(given).astype(kept))
    assert ("float64, kept as float32" in caplog.text) == (given == "<f8")


@pytest.fixture
def own(clean, store, tmp_path) -> Features:
    return extract(clean, store, tmp_path / "own")


def export(features: Features, place: Path) -> None:
    """Save states under the encoder's norm, as a head reads them."""
    place.mkdir()
    with torch.no_grad():
        np.save(place / "states.npy", features.norm(features.pooled().float()).numpy())


def test_states_that_left_and_came_back_are_scored_as_before(own, store, tmp_path):
    export(own, tmp_path / "back")
    back = imported(tmp_path / "back", records=store.folder)
    # A norm that is applied already is that of each layer alone.
    pairs = {"last": "last", "layers": "layers", "ppa-normed": "ppa"}
    before = probe(own, recipe(*pairs), tmp_path / "results", test=True)
    after = probe(back, recipe(*pairs.values()), tmp_path / "results", test=True)
    assert len(before) == len(after) == 6
    for one, other in zip(map(Run.read, before), map(Run.read, after), strict=True):
        assert other.validation.main.macro.value == pytest.approx(
            one.validation.main.macro.value, abs=1e-6
        )
        assert other.test.main.macro.value == pytest.approx(one.test.main.macro.value, abs=1e-6)
        assert (other.hashes.store, other.splits) == (one.hashes.store, one.splits)
        assert (other.leads, other.encoder.leak_check) == ((), "none")
    a, b = (load_runs(folders[0])[0].predictions("test") for folders in (before, after))
    assert np.allclose(a.scores, b.scores, atol=1e-5)
    page = write_report([tmp_path / "results"], tmp_path / "report").read_text()
    assert "<svg" in page
    assert "back" in page


def test_parquet_is_matched_with_a_store_by_id(own, store, tmp_path):
    place = tmp_path / "mixed"
    place.mkdir()
    order = np.random.default_rng(1).permutation(60)
    ids = store.records["id"].to_numpy()[order]
    table = pd.DataFrame(own.states[order, -1].astype(np.float32)).add_prefix("x")
    table.assign(id=ids, patient="?").to_parquet(place / "last.parquet")
    features = imported(place, records=store.folder)
    assert features.store == store.key
    assert features.records["id"].tolist() == ids.tolist()
    assert features.records["patient"].tolist() == store.records["patient"][order].tolist()
    (a,) = probe(features, recipe("last"), tmp_path / "a")
    np.save(tmp_path / "last.npy", own.states[:, -1])
    (b,) = probe(imported(tmp_path / "last.npy", records=store.folder), recipe("last"), tmp_path)
    assert Run.read(a).validation.main.macro.value == Run.read(b).validation.main.macro.value


def test_one_layer_is_probed_and_drawn_and_mixtures_of_it_are_refused(own, store, tmp_path):
    np.save(tmp_path / "last.npy", own.states[:, -1])
    features = imported(tmp_path / "last.npy", records=store.folder, name="alone")
    folders = probe(features, recipe("last", "layers"), tmp_path / "results")
    assert [folder.name for folder in folders] == ["last-linear", "layer-00-linear"]
    last, layer = map(Run.read, folders)
    assert last.validation == layer.validation
    assert last.layer_weights.mean == (1.0,)
    assert "<svg" in write_report([tmp_path / "results"], tmp_path / "report").read_text()
    for mixture in ("ppa", "concat", "pma", "scalar-mix"):
        with pytest.raises(InputError, match=rf"'{mixture}' mixes layers, and there is one; probe"):
            probe(features, recipe("last", mixture), tmp_path / "results")


def test_names_of_data_sets_are_what_a_leak_check_has(place, own, store, tmp_path):
    np.save(tmp_path / "last.npy", own.states[:, -1])
    for name, trained_on in {"seen": ("sim", "mimic"), "unseen": ("mimic",)}.items():
        how = {"records": store.folder, "name": name, "pretrained_on": trained_on}
        features = imported(tmp_path / "last.npy", **how)
        assert features.encoder.leak_check == "names"
        run = Run.read(probe(features, recipe("last"), tmp_path / "results")[0])
        assert (run.encoder.datasets, bool(run.seen)) == (trained_on, name == "seen")


def test_without_patients_each_record_is_one_and_the_run_says_so(place, own, caplog, store):
    LISTED[["id"]].to_csv(place / "records.csv", index=False)
    np.save(place / "one.npy", ARRAYS[:, 0])
    with caplog.at_level(logging.INFO):
        features = imported(place)
    assert "no column patient: each record counts as a patient of its own" in caplog.text
    assert "no column fold or split: folds 1 to 10 are made" in caplog.text
    assert features.records["patient"].tolist() == LISTED["id"].tolist()
    assert features.records["fold"].value_counts().tolist() == [4] * 10
    listed = store.records.drop(columns=["patient", "scale", "flags"])
    listed.to_parquet(place.parent / "listed.parquet")
    np.save(place.parent / "last.npy", own.states[:, -1])
    alone = imported(place.parent / "last.npy", records=place.parent / "listed.parquet")
    metrics = Run.read(probe(alone, recipe("last"), place.parent / "results")[0]).validation
    assert (metrics.patients, metrics.interval.unit) == (None, "record")


def test_tables_say_what_a_store_says(tmp_path):
    listed = LISTED[["id"]].assign(
        split=["train"] * 20 + ["VAL"] * 10 + ["test"] * 10,
        codes="scp:NORM; scp:SR",
        age="61",
        sex="female",
        source="ours",
        device=["", "b"] * 20,
        colour="red",
    )
    listed.to_csv(tmp_path / "records.csv", index=False)
    found = read_records(tmp_path / "records.csv")
    assert found.table["fold"].tolist() == [1] * 20 + [9] * 10 + [10] * 10
    assert found.table["codes"][0] == ["scp:NORM", "scp:SR"]
    assert found.table.loc[1, ["age", "sex", "source", "device"]].tolist() == [61, "F", "ours", "b"]
    assert found.table["device"].isna().sum() == 20
    listed.assign(codes=[["scp:NORM", "scp:SR"]] * 40).to_parquet(tmp_path / "records.parquet")
    again = read_records(tmp_path / "records.parquet")
    assert again.key == found.key
    assert read_records_with(tmp_path, listed.assign(sex="male")).key != found.key


def read_records_with(folder: Path, table: pd.DataFrame):
    table.to_csv(folder / "other.csv", index=False)
    return read_records(folder / "other.csv")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": "same"}, "record same is there twice; drop one"),
        ({"id": [""] + ["x"] * 39}, r"no id in row 1 \(''\); fill it in"),
        ({"patient": ["a", "NA"] * 20}, r"no patient in row 2 \('NA'\); fill it in"),
        ({"fold": "2.5"}, "fold '2.5': give a whole number"),
        ({"split": "train"}, "has both fold and split"),
        ({"fold": None, "split": "first"}, "split 'first'; write train, validation"),
    ],
    ids=str,
)
def test_faults_of_a_table_are_named(tmp_path, change, told):
    table = LISTED.drop(columns=[name for name in change if change[name] is None])
    changed = table.assign(**{name: value for name, value in change.items() if value is not None})
    with pytest.raises(InputError, match=rf"other\.csv: {told}"):
        read_records_with(tmp_path, changed)


def pickled(folder: Path) -> None:
    np.save(folder / "a.npy", np.array([{}] * 40), allow_pickle=True)


def pickled_in_zip(folder: Path) -> None:
    np.savez(folder / "a.npz", x=np.array([{}] * 40))


def cut_off(folder: Path) -> None:
    by_npy(folder)
    (folder / "all.npy").write_bytes((folder / "all.npy").read_bytes()[:-8])


def cut_off_zip(folder: Path) -> None:
    by_npz(folder)
    (folder / "all.npz").write_bytes((folder / "all.npz").read_bytes()[:-8])


def with_nan(folder: Path) -> None:
    np.save(folder / "a.npy", np.where(np.arange(240).reshape(40, 6) == 18, np.nan, 1.0))


def too_large(folder: Path) -> None:
    np.save(folder / "a.npy", np.full((40, 6), 1e300))


def labels(folder: Path) -> None:
    by_npy(folder)
    np.save(folder / "y.npy", np.zeros((40, 3), np.int64))


def too_few(folder: Path) -> None:
    np.save(folder / "a.npy", ARRAYS[:39, 0])


def of_two_lengths(folder: Path) -> None:
    np.save(folder / "a.npy", ARRAYS[:, 0])
    np.save(folder / "b.npy", ARRAYS[:39, 1])


def of_one_number(folder: Path) -> None:
    np.save(folder / "a.npy", ARRAYS[:, 0, 0])


def of_views(folder: Path) -> None:
    np.save(folder / "a.npy", ARRAYS[:, :, :2])


def of_words(folder: Path) -> None:
    np.save(folder / "a.npy", np.array([["a", "b"]] * 40))


def two_of_several(folder: Path) -> None:
    np.save(folder / "a.npy", ARRAYS)
    np.save(folder / "b.npy", ARRAYS)


def of_two_kinds(folder: Path) -> None:
    by_npy(folder)
    by_npz(folder)


def without(folder: Path) -> None:
    (folder / "notes.txt").write_text("")


def no_parquet(folder: Path) -> None:
    (folder / "a.parquet").write_bytes(b"PAR1")


def without_ids(folder: Path) -> None:
    pd.DataFrame(ARRAYS[:, 0]).add_prefix("x").to_parquet(folder / "a.parquet")


def of_other_ids(folder: Path) -> None:
    table_of(0).assign(id="o" + LISTED["id"]).to_parquet(folder / "a.parquet")


def in_another_order(folder: Path) -> None:
    by_parquet_a_layer(folder)
    table_of(1)[::-1].to_parquet(folder / "layer_2.parquet")


def with_a_column_of_words(folder: Path) -> None:
    table_of(0).assign(colour="red").to_parquet(folder / "a.parquet")


def ragged(folder: Path) -> None:
    lists = [np.zeros(3 + (number == 7)) for number in range(40)]
    LISTED[["id"]].assign(x=lists).to_parquet(folder / "a.parquet")


def lists_of_whole_numbers(folder: Path) -> None:
    LISTED[["id"]].assign(x=[[0, 1]] * 40).to_parquet(folder / "a.parquet")


def without_a_layer(folder: Path) -> None:
    table_of(0).assign(layer=[None] + ["a"] * 39).to_parquet(folder / "a.parquet")


FAULTS = {
    pickled: r"a\.npy: not a readable array .*Python objects.*; save numbers with np\.save",
    pickled_in_zip: r"a\.npz, x: not a readable array",
    cut_off: r"all\.npy: not a readable array",
    cut_off_zip: r"all\.npz: not a readable \.npz",
    with_nan: r"model: a of record r03 is not finite, or beyond 1e\+15; see to",
    too_large: r"model: a of record r00 is not finite, or beyond 1e\+15",
    labels: r"y\.npy: int64 of shape \(40, 3\) looks like labels .*, not embeddings; move it",
    too_few: "model: embeddings of 39 records, and 40 records in .*csv; give one",
    of_two_lengths: r"b\.npy: 39 records, and 40 in the first layer",
    of_one_number: r"a\.npy: float32 of shape \(40,\): give \(records, width\)",
    of_views: r"a\.npy: float32 of shape \(40, 3, 2\): more layers than numbers in each",
    of_words: r"a\.npy: <U1 of shape \(40, 2\) is no embedding; save float16",
    two_of_several: r"a\.npy: several layers, beside other arrays; give it alone",
    of_two_kinds: r"model: embeddings of several kinds; give \.npy, \.npz or \.parquet files",
    without: "model: no embeddings there",
    no_parquet: r"a\.parquet: not a readable table",
    without_ids: r"a\.parquet: no column id",
    of_other_ids: r"a\.parquet: 40 ids are not among the records, and 40 records have no embedding",
    in_another_order: r"layer_2\.parquet: layer layer_2 is there twice, or has other ids",
    with_a_column_of_words: r"a\.parquet: column colour is .*string: neither a number .*; drop it",
    ragged: r"a\.parquet: lists of several lengths",
    lists_of_whole_numbers: r"a\.parquet, a: int64 of shape \(40, 2\) looks like labels",
    without_a_layer: r"a\.parquet: a row without layer; fill it in",
}


@pytest.mark.parametrize("spoil", FAULTS, ids=lambda spoil: spoil.__name__)
def test_a_fault_is_named_with_its_file_and_its_fix(place, spoil):
    spoil(place)
    before = sorted(place.parent.rglob("*"))
    with pytest.raises(InputError, match=FAULTS[spoil]):
        imported(place)
    assert sorted(place.parent.rglob("*")) == before


def test_arrays_without_records_and_strange_names_are_refused(place):
    by_npy(place)
    with pytest.raises(InputError, match="no name for an encoder: 'a/b'; give another with --name"):
        imported(place, name="a/b")
    (place / "records.csv").unlink()
    with pytest.raises(InputError, match=r"arrays name no records; put records\.csv"):
        imported(place)
    with pytest.raises(InputError, match="nowhere: no such file or folder"):
        imported(place.parent / "nowhere")


def test_what_is_there_is_kept_and_other_embeddings_are_refused(place):
    by_npy(place)
    first = imported(place)
    before = (first.folder / "states.npy").stat().st_mtime_ns
    assert imported(place).info == first.info
    assert (first.folder / "states.npy").stat().st_mtime_ns == before
    np.save(place / "all.npy", ARRAYS + 1)
    with pytest.raises(InputError, match=r"made from other inputs: embeddings\.all\.npy is"):
        imported(place)
    by_npy(place)
    with pytest.raises(InputError, match="made from other inputs: pretrained_on is"):
        imported(place, pretrained_on=("mimic",))


@pytest.mark.parametrize("form", ["npy", "npz", "parquet"])
def test_memory_does_not_grow_with_the_embeddings(tmp_path, form):
    records, width = 4096, 4096
    ids = [f"r{number}" for number in range(records)]
    pd.DataFrame({"id": ids}).to_csv(tmp_path / "ids.csv", index=False)
    place = tmp_path / f"large.{form}"
    array = np.zeros((records, width), np.float32)
    if form == "npy":
        np.save(place, array)
    elif form == "npz":
        np.savez_compressed(place, array)
    else:
        table = pd.DataFrame({"id": ids, "x": list(array)})
        table.to_parquet(place, row_group_size=512)
    tracemalloc.start()
    imported(place, records=tmp_path / "ids.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < array.nbytes / 4
