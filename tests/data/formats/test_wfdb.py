"""WFDB records against the ``wfdb`` package, and broken ones."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from myocard.data.formats.reading import read
from myocard.data.formats.wfdb import WrongLength
from myocard.errors import InputError
from myocard.record import Record

NAMES = ("I", "avf", "V1", "vx")
SCALES = ("1000(0)/mV", "200(6)/mV", "204.8(-40)/mV", "100(0)/mV")


def write(
    folder: Path,
    values: NDArray[np.int64],
    storage: str,
    *,
    scales: Sequence[str] = SCALES,
    names: Sequence[str] = NAMES,
) -> Path:
    """A record of ``(samples, signals)`` ADC units at 500 Hz."""
    samples, signals = values.shape
    lines = [f"r.dat {storage} {scales[i]} 0 0 0 0 0 {names[i]}" for i in range(signals)]
    (folder / "r.hea").write_text("\n".join([f"r {signals} 500 {samples}", *lines, ""]))
    (folder / "r.dat").write_bytes(packed(values.ravel(), storage))
    return folder / "r"


def packed(values: NDArray[np.int64], storage: str) -> bytes:
    if storage != "212":
        return values.astype({"16": "<i2", "32": "<i4"}[storage]).tobytes()
    even = np.append(values, [0] * (len(values) % 2)).astype(np.uint16) & 0xFFF
    first, second = even.reshape(-1, 2).T
    groups = np.stack([first & 0xFF, first >> 8 | second >> 8 << 4, second & 0xFF], axis=1)
    return groups.astype(np.uint8).tobytes()


def digital(samples: int = 101, signals: int = 3) -> NDArray[np.int64]:
    return np.random.default_rng(0).integers(-2047, 2047, (samples, signals))


def replace(path: Path, old: str, new: str) -> None:
    """Change the header of ``path``."""
    header = path.with_suffix(".hea")
    assert old in header.read_text()
    header.write_text(header.read_text().replace(old, new))


def expected(path: Path) -> NDArray[np.float64]:
    return wfdb.rdrecord(str(path)).p_signal.T


@pytest.mark.parametrize("samples", [1, 2, 101, 1000])
@pytest.mark.parametrize("storage", ["8", "16", "24", "32", "61", "80", "160", "212", "310", "311"])
def test_every_format_reads_as_the_wfdb_package_reads_it(
    tmp_path: Path, storage: str, samples: int
) -> None:
    path = write(tmp_path, digital(samples), "16")
    replace(path, "r.dat 16 ", f"r.dat {storage} ")
    per_byte = {"8": 1, "80": 1, "24": 1 / 3, "32": 1 / 4, "212": 2 / 3, "310": 3 / 4, "311": 3 / 4}
    size = math.ceil(3 * samples / per_byte.get(storage, 1 / 2))
    content = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    if storage == "311":  # The package takes one of the two bits that are not used for a value's.
        content[3::4] &= 0x3F
    path.with_suffix(".dat").write_bytes(content.tobytes())
    record = read(path)
    assert record.leads == ("I", "aVF", "V1")
    assert (record.rate, record.unit) == (500, "mV")
    np.testing.assert_allclose(record.signal, expected(path), rtol=1e-6)


@pytest.mark.parametrize(("storage", "invalid"), [("16", -32768), ("212", -2048)])
def test_invalid_samples_are_nan_as_in_the_wfdb_package(
    tmp_path: Path, storage: str, invalid: int
) -> None:
    values = digital()
    values[[3, 50], [0, 2]] = invalid
    record = read(write(tmp_path, values, storage))
    assert np.argwhere(np.isnan(record.signal)).tolist() == [[0, 3], [2, 50]]
    np.testing.assert_array_equal(np.isnan(record.signal), np.isnan(expected(tmp_path / "r")))


def test_a_matlab_file_is_read_behind_its_24_bytes(tmp_path: Path) -> None:
    values = digital()
    path = write(tmp_path, values, "16")
    content = path.with_suffix(".dat").read_bytes()
    path.with_suffix(".mat").write_bytes(bytes(24) + content)
    plain = read(path)
    replace(path, "r.dat 16 ", "r.mat 16x1+24 ")
    np.testing.assert_array_equal(read(path).signal, plain.signal)
    np.testing.assert_allclose(plain.signal, expected(path), rtol=1e-6)


def test_each_signal_has_its_own_unit(tmp_path: Path) -> None:
    path = write(tmp_path, np.full((10, 3), 1000), "16", scales=["1000/mV", "1/uV", "1e6/V"])
    np.testing.assert_allclose(read(path).signal, 1.0, rtol=1e-6)


def test_signals_without_a_unit_stay_as_they_are(tmp_path: Path) -> None:
    path = write(tmp_path, np.full((10, 3), 1000), "16", scales=["1000/NU"] * 3)
    assert read(path).unit == "NU"


@pytest.mark.parametrize("storage", ["16", "32"])
@pytest.mark.parametrize(
    ("scales", "message"),
    [
        (["1/mV", "1/mV", "1/NU"], "without a unit"),
        (["1/mV", "1/mmHg", "1/mV"], "unknown unit 'mmHg'"),
    ],
)
def test_units_that_are_no_voltage_are_refused(
    tmp_path: Path, storage: str, scales: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(write(tmp_path, digital(), storage, scales=scales))


@pytest.mark.parametrize("storage", ["16", "32"])
def test_other_signals_than_the_twelve_leads_are_left_out(tmp_path: Path, storage: str) -> None:
    path = write(tmp_path, digital(signals=4), storage, scales=[*SCALES[:3], "100/mmHg"])
    record = read(path)
    assert record.leads == ("I", "aVF", "V1")
    np.testing.assert_allclose(record.signal, expected(path)[:3], rtol=1e-6)


@pytest.mark.parametrize("storage", ["16", "32"])
def test_a_record_without_any_of_the_twelve_leads_is_refused(tmp_path: Path, storage: str) -> None:
    path = write(tmp_path, digital(), storage, names=["vx", "vy", "resp"])
    with pytest.raises(
        InputError,
        match="none of the twelve leads among 'vx', 'vy', 'resp'; say which they are by --rename",
    ):
        read(path)


def test_a_lead_named_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, digital(), "16")
    replace(path, " V1", " AVF")
    with pytest.raises(InputError, match="r: a lead is named twice"):
        read(path)


@pytest.mark.parametrize("suffix", ["", ".hea", ".dat"])
def test_a_path_may_have_any_suffix_of_the_record(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path, digital(), "16")
    assert read(f"{path}{suffix}").signal.shape == (3, 101)


@pytest.mark.parametrize("storage", ["16", "212", "32"])
@pytest.mark.parametrize("change", ["cut", "extend", "empty"])
def test_a_length_that_disagrees_with_the_header_is_told_apart(
    tmp_path: Path, storage: str, change: str
) -> None:
    path = write(tmp_path, digital(), storage)
    content = path.with_suffix(".dat").read_bytes()
    changed = {"cut": content[:-12], "extend": content + bytes(12), "empty": b""}[change]
    path.with_suffix(".dat").write_bytes(changed)
    with pytest.raises(WrongLength, match=r"r\.hea: wrong length"):
        read(path)


def test_a_header_that_promises_the_moon_costs_no_memory(tmp_path: Path) -> None:
    path = write(tmp_path, digital(), "32")
    replace(path, " 101\n", " 100000000000000\n")
    with pytest.raises(WrongLength):
        read(path)


def test_without_a_sample_count_the_file_decides(tmp_path: Path) -> None:
    path = write(tmp_path, digital(), "16")
    replace(path, "500 101", "500")
    assert read(path).signal.shape == (3, 101)


@pytest.mark.parametrize(
    "name", ["../r.dat", "..\\r.dat", "/etc/passwd", "C:\\r.dat", "..", "x" * 300, "a/../../r.dat"]
)
def test_a_header_that_names_a_file_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "inner").mkdir()
    write(tmp_path, digital(), "16")
    text = (tmp_path / "r.hea").read_text().replace("r.dat", name)
    (tmp_path / "inner" / "r.hea").write_text(text)
    with pytest.raises(InputError, match="outside its own folder"):
        read(tmp_path / "inner" / "r")


def test_a_missing_signal_file_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, digital(), "16")
    path.with_suffix(".dat").unlink()
    with pytest.raises(InputError, match=r"r\.hea: its signal file r\.dat is missing"):
        read(path)


def test_a_rate_of_zero_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, digital(), "16")
    replace(path, " 500 ", " 0 ")
    with pytest.raises(InputError, match="a rate of 0"):
        read(path)


def test_a_lag_longer_than_the_record_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, digital(), "16")
    replace(path, "r.dat 16 1000", "r.dat 16:999999999 1000")
    with pytest.raises(InputError, match="lags by more than its 101 samples"):
        read(path)


@pytest.mark.parametrize("storage", ["508", "516", "524"])
@pytest.mark.parametrize("per_frame", [1, 4])
def test_flac_holds_what_was_written(tmp_path: Path, storage: str, per_frame: int) -> None:
    values = np.random.default_rng(1).integers(-120, 120, (200 * per_frame, 3))
    path = tmp_path / "r"
    wfdb.wrsamp(
        "r", fs=500, units=["mV"] * 3, sig_name=["I", "II", "V1"], write_dir=str(tmp_path),
        e_d_signal=list(values.T), samps_per_frame=[per_frame] * 3, fmt=[storage] * 3,
        adc_gain=[100.0] * 3, baseline=[0] * 3,
    ) if per_frame > 1 else wfdb.wrsamp(
        "r", fs=500, units=["mV"] * 3, sig_name=["I", "II", "V1"], write_dir=str(tmp_path),
        d_signal=values, fmt=[storage] * 3, adc_gain=[100.0] * 3, baseline=[0] * 3,
    )  # fmt: skip
    means = values.reshape(200, per_frame, 3).mean(axis=1).T
    np.testing.assert_allclose(read(path).signal, means / 100, rtol=1e-6, atol=1e-7)


_FIELDS = st.sampled_from(
    [
        "16",
        "212",
        "16x2",
        "16:3",
        "80",
        "310",
        "16+4",
        "0",
        "-1",
        "2",
        "7",
        "r.dat",
        "1/V",
        "1e9",
        "I",
    ]
)


@given(st.integers(0, 31), _FIELDS)
def test_a_record_with_any_field_changed_is_a_record_or_an_input_error(
    tmp_path_factory: pytest.TempPathFactory, place: int, field: str
) -> None:
    path = write(tmp_path_factory.getbasetemp(), digital(samples=20), "16")
    fields = path.with_suffix(".hea").read_text().split(" ")
    fields[place % len(fields)] = field
    path.with_suffix(".hea").write_text(" ".join(fields))
    try:
        record = read(path)
    except InputError:
        return
    assert isinstance(record, Record)
    assert record.signal.shape[0] == len(record.leads) > 0
    assert record.signal.dtype == np.float32
