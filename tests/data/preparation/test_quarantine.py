"""No record is lost: it is in the store, or in quarantine.csv with its file and a reason."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.data.formats.reading import read
from myocard.data.preparation import Wanted, prepare
from myocard.data.preparation.examination import ALLOWABLE, examine
from myocard.data.signal import Band
from myocard.data.sources.entry import Entry
from myocard.data.store import Store
from myocard.errors import InputError
from myocard.files.manifest import altered
from myocard.leads import LEADS
from myocard.record import Record
from myocard.simulation import simulate

WANTED = Wanted(100, 10.0, LEADS)


def sound(seed: int = 1) -> np.ndarray:
    return simulate(seed, 0, rate=100).record.signal


def changed(value: float, lead: str, samples: slice = slice(None)) -> np.ndarray:
    signal = sound()
    signal[LEADS.index(lead), samples] = value
    return signal


def unreadable(make: Callable[..., Entry]) -> Entry:
    entry = make("unreadable")
    entry.path.write_text("no array")
    return entry


def wrong_length(make: Callable[..., Entry]) -> Entry:
    entry = make("wrong_length")
    header = entry.path.with_name("short.hea")
    lines = [f"short.dat 16 1000/mV 16 0 0 0 0 {lead}" for lead in LEADS]
    header.write_text("\n".join(["short 12 100 1000", *lines]))
    np.ones(12 * 900, dtype="<i2").tofile(header.with_suffix(".dat"))
    return replace(entry, path=header, read=partial(read, header))


def wrong_checksum(make: Callable[..., Entry]) -> Entry:
    entry = make("wrong_checksum")
    header = entry.path.with_name("other.hea")
    lines = [f"other.dat 16 1000/mV 16 0 1 1001 0 {lead}" for lead in LEADS]
    header.write_text("\n".join(["other 12 100 1000", *lines]))
    np.ones(12 * 1000, dtype="<i2").tofile(header.with_suffix(".dat"))
    return replace(entry, path=header, read=partial(read, header))


BROKEN: dict[str, Callable[[Callable[..., Entry]], Entry]] = {
    "unreadable": unreadable,
    "wrong_length": wrong_length,
    "missing_lead": lambda make: make("missing_lead", sound()[:11], leads=LEADS[:11]),
    "not_finite": lambda make: make("not_finite", changed(np.nan, "V2", slice(3, 4))),
    "flat_lead": lambda make: make("flat_lead", changed(0.3, "aVL")),
    "too_short": lambda make: make("too_short", sound()[:, :999]),
    "wrong_checksum": wrong_checksum,
    "wrong_unit": lambda make: make("wrong_unit", 1000 * sound()),
    "duplicate": lambda make: make("duplicate", sound(7)),
}
DETAILS = {
    "unreadable": "unreadable.npy: not a NumPy array",
    "wrong_length": "short.hea",
    "missing_lead": "no lead V6; prepare with --leads I,II,III,aVR,aVL,aVF,V1,V2,V3,V4,V5",
    "not_finite": "in V2",
    "flat_lead": "in aVL",
    "too_short": "9.99 s of 10 s; prepare with --seconds",
    "wrong_checksum": "other.dat does not hold the values of which the header has the checksum",
    "wrong_unit": "mV in 40 ms, where 0.1 to 3 are usual, as they would be times ",
    "duplicate": "of record good-0",
}


@pytest.fixture
def mixed(make_entry) -> list[Entry]:
    """A good record, then each broken one, each followed by another good one."""
    listed = [make_entry("good-0", sound(7), codes=("scp:NORM",))]
    for number, make in enumerate(BROKEN.values(), start=1):
        listed += [make(make_entry), make_entry(f"good-{number}", sound(10 + number))]
    return listed


def run(entries: list[Entry], out: Path, wanted: Wanted = WANTED, **settings: object) -> Store:
    return prepare(entries, out, wanted, source="test", jobs=1, **settings)


def test_every_reason_has_its_record() -> None:
    assert BROKEN.keys() == DETAILS.keys()


def test_every_broken_record_is_listed_once_with_its_file_and_reason(mixed, tmp_path) -> None:
    store = run(mixed, tmp_path / "store")
    table = pd.read_csv(store.folder / "quarantine.csv").set_index("id")
    assert table["reason"].to_dict() == {reason: reason for reason in BROKEN}
    paths = {entry.id: str(entry.path) for entry in mixed if entry.id in BROKEN}
    assert table["path"].to_dict() == paths
    for reason, detail in DETAILS.items():
        assert detail in table.loc[reason, "detail"]


def test_good_records_are_kept_in_the_sources_order_and_none_is_lost(mixed, tmp_path) -> None:
    store = run(mixed, tmp_path / "store")
    assert store.records["id"].tolist() == [f"good-{i}" for i in range(len(BROKEN) + 1)]
    assert len(store.records) + store.info["quarantined"] == len(mixed)
    assert set(store.records["flags"]) == {""}
    for row, integers in zip(store.records.itertuples(), store.signals, strict=True):
        original = np.load(next(e.path for e in mixed if e.id == row.id))
        np.testing.assert_allclose(integers * row.scale, original, atol=row.scale)


@pytest.mark.parametrize("reason", ALLOWABLE)
def test_what_is_allowed_is_kept_and_flagged(mixed, tmp_path, reason) -> None:
    store = run(mixed, tmp_path / "store", replace(WANTED, allow=(reason,)))
    flags = store.records.set_index("id")["flags"]
    assert flags[flags != ""].to_dict() == {reason: reason}
    assert reason not in set(pd.read_csv(store.folder / "quarantine.csv")["id"])
    assert store.info["allowed"] == [reason]


def test_all_flags_of_a_record_are_kept(make_entry, tmp_path) -> None:
    longer = np.concatenate([changed(0.3, "V1"), changed(0.3, "V1")], axis=1)
    entries = [
        make_entry("a", longer),
        make_entry("b", longer, patient="a"),
    ]
    store = run(entries, tmp_path / "store", replace(WANTED, allow=ALLOWABLE))
    assert store.records["flags"].tolist() == [
        "cropped;flat_lead",
        "cropped;flat_lead;duplicate",
    ]


def flagged(store: Store) -> list[list[str]]:
    return pd.read_csv(store.folder / "flags.csv")[["id", "flag", "detail"]].to_numpy().tolist()


def test_every_flag_is_listed_with_its_detail(make_entry, tmp_path) -> None:
    exchanged = sound()[[1, 0, *range(2, 12)]]
    longer = np.concatenate([sound(3), sound(3)], axis=1)
    entries = [make_entry("a", sound(2)), make_entry("b", exchanged), make_entry("c", longer)]
    entries.append(make_entry("d", longer))
    store = run(entries, tmp_path / "store", replace(WANTED, allow=("duplicate",)))
    assert store.records["flags"].tolist() == ["", "limb_leads", "cropped", "cropped;duplicate"]
    (leads, *others) = flagged(store)
    assert leads[:2] == ["b", "limb_leads"]
    assert "as if I and II were exchanged" in leads[2]
    assert others == [
        ["c", "cropped", "of 20 s"], ["d", "cropped", "of 20 s"], ["d", "duplicate", "of record c"],
    ]  # fmt: skip


def test_a_flag_never_bars_a_record(make_entry, tmp_path) -> None:
    faint, inverted = sound(2) / 1000, sound(3) * np.float32([[1]] * 3 + [[-1]] + [[1]] * 8)
    clipped = sound(4)
    clipped[8] = np.clip(clipped[8], -0.1, 0.1)
    entries = [make_entry("a", faint), make_entry("b", inverted), make_entry("c", clipped)]
    store = run(entries, tmp_path / "store")
    assert store.records["flags"].tolist() == ["amplitude", "limb_leads", "saturated"]


def test_leads_that_are_not_stored_tell_of_exchanged_ones(make_entry, tmp_path) -> None:
    signal = sound()[[0, 2, 1, *range(3, 12)]]
    signal[6] = np.nan
    store = run([make_entry("a", signal)], tmp_path / "store", replace(WANTED, leads=("I", "V2")))
    ((_, flag, detail),) = flagged(store)
    assert (flag, "II and III were exchanged" in detail) == ("limb_leads", True)


def test_of_an_allowed_and_a_forbidden_fault_the_forbidden_one_bars(make_entry, tmp_path) -> None:
    entries = [make_entry("good"), make_entry("bad", changed(0, "I")), make_entry("good-too")]
    np.save(entries[2].path, np.load(entries[1].path))
    store = run(entries, tmp_path / "store", replace(WANTED, allow=("duplicate",)))
    assert pd.read_csv(store.folder / "quarantine.csv")["reason"].tolist() == ["flat_lead"] * 2


def test_a_record_flat_in_every_lead_is_never_kept(make_entry, tmp_path) -> None:
    """A high-pass leaves rounding of it, which quantising would blow up to full range."""
    entries = [make_entry("good"), make_entry("flat", np.full((12, 1000), 0.7))]
    wanted = replace(WANTED, band=Band(0.67, 40.0), allow=("flat_lead",))
    store = run(entries, tmp_path / "store", wanted)
    table = pd.read_csv(store.folder / "quarantine.csv")
    assert table[["id", "detail"]].to_numpy().tolist() == [["flat", "in every lead"]]


def test_only_the_wanted_leads_are_judged(make_entry, tmp_path) -> None:
    entries = [make_entry("a", changed(np.nan, "V2")), make_entry("b", changed(0, "V3"))]
    store = run(entries, tmp_path / "store", replace(WANTED, leads=("V1", "I")))
    assert store.records["id"].tolist() == ["a"]  # b is a duplicate in V1 and I.
    np.testing.assert_allclose(
        store.signals[0] * store.records["scale"][0],
        sound()[[LEADS.index("V1"), 0]],
        atol=store.records["scale"][0],
    )


def test_a_record_without_samples_is_too_short() -> None:
    record = Record(np.ones((12, 0), dtype=np.float32), 100.0, LEADS)
    entry = Entry(id="a", path=Path("a"), read=lambda: record, patient="a")
    wanted = Wanted(100, 0.01, LEADS, Band(0.67, 40.0))
    found, faults = examine(entry.read(), wanted)
    assert found is None
    assert [fault.reason for fault in faults] == ["too_short"]


@pytest.mark.parametrize(("seconds", "kept"), [(1.22, True), (1.23, False)])
def test_lengths_are_counted_as_resampling_counts_them(make_entry, seconds, kept) -> None:
    """A half: 441 samples at 360 Hz are 122.5 at 100 Hz, which rounds to even."""
    entry = make_entry("a", sound()[:, :441], rate=360)
    record, _ = examine(entry.read(), Wanted(100, seconds, LEADS))
    assert (record is not None) is kept


def test_records_that_are_all_bad_are_counted(make_entry, tmp_path) -> None:
    entries = [BROKEN[reason](make_entry) for reason in ("not_finite", "flat_lead", "too_short")]
    entries.append(make_entry("also", changed(np.inf, "I")))
    with pytest.raises(InputError) as error:
        run(entries, tmp_path / "store")
    assert "no record can be used (2 not_finite, 1 flat_lead, 1 too_short)" in str(error.value)
    assert f"the first is {entries[0].path}: in V2" in str(error.value)
    assert not (tmp_path / "store").exists()
    # The message names a file that tells why.
    named = Path(str(error.value).partition(": ")[0])
    assert pd.read_csv(named)["id"].tolist() == ["not_finite", "flat_lead", "too_short", "also"]


@pytest.mark.parametrize(
    ("signal", "band", "reason"),
    [
        (sound() * np.float32(1e37), Band(0.5, 40.0), "not_finite: values too large to be filter"),
        (sound() + np.float32(3e5), Band(), "flat_lead: I, II, III, .* once filtered and rounded"),
    ],
)
def test_values_that_filtering_or_rounding_spoils_are_told(
    make_entry, tmp_path, signal, band, reason
):
    wanted = Wanted(100, 10.0, LEADS, band, allow=("wrong_unit",))
    store = run([make_entry("spoilt", signal), make_entry("good")], tmp_path / "s", wanted)
    (row,) = pd.read_csv(store.folder / "quarantine.csv").to_dict("records")
    assert re.match(reason, f"{row['reason']}: {row['detail']}")
    assert len(store.records) == 1


def test_a_record_that_its_reader_fails_on_costs_no_other(make_entry, tmp_path) -> None:
    def fail() -> Record:
        raise TypeError("of the reader's own")

    entries = [make_entry("good"), replace(make_entry("bad"), read=fail)]
    store = run(entries, tmp_path / "store")
    (row,) = pd.read_csv(store.folder / "quarantine.csv").to_dict("records")
    assert row["reason"] == "unreadable"
    assert "not readable (TypeError: of the reader's own)" in row["detail"]


def test_codes_in_no_table_are_kept_and_counted(make_entry, tmp_path) -> None:
    codes = [("snomed:251238007", "own:a"), ("snomed:251238007", "scp:NO"), ("scp:NORM",)]
    entries = [make_entry(str(i), sound(i), codes=each) for i, each in enumerate(codes)]
    store = run(entries, tmp_path / "store")
    assert [tuple(each) for each in store.records["codes"]] == codes
    assert set(store.records["flags"]) == {""}
    table = pd.read_csv(store.folder / "unknown_codes.csv")
    assert table.to_numpy().tolist() == [["snomed:251238007", 2], ["scp:NO", 1]]
    assert altered(store.folder) == []
