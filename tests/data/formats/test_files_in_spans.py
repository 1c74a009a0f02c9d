"""Every format: a span that is read alone is what it is in the whole record."""

from collections.abc import Callable
from math import ceil
from pathlib import Path

import numpy as np
import pytest
import wfdb
from hypothesis import given, settings
from hypothesis import strategies as st
from writing.edf import Signal, ecg, edf
from writing.ishne import ishne
from writing.signals import counts

from myocard import windows
from myocard.data.formats import recording, wfdb_signals
from myocard.data.formats.reading import opened, read
from myocard.data.formats.recording import Recording
from myocard.data.formats.wfdb import WrongChecksum

SAMPLES = 120
LEADS = ("I", "II", "V1")


def write_ishne(folder: Path) -> Path:
    (folder / "a.ecg").write_bytes(ishne(counts(LEADS, SAMPLES)))
    return folder / "a.ecg"


def write_edf(folder: Path, width: int = 2) -> Path:
    notes = Signal("EDF Annotations", np.full(60, 0x1414))
    signals = [*ecg(counts(LEADS, SAMPLES)), Signal("Resp", np.arange(24), "%"), notes]
    path = folder / "a.edf"
    path.write_bytes(edf(signals, records=12, width=width, texts={"reserved": "EDF+C"}))
    return path


def write_bdf(folder: Path) -> Path:
    return write_edf(folder, width=3)


def write_npy(folder: Path) -> Path:
    np.save(folder / "a.npy", np.stack([*counts(LEADS, SAMPLES).values()], axis=1))
    return folder / "a.npy"


def write_wfdb(folder: Path, storage: str, about: str = "") -> Path:
    """Random bytes, of which every format makes samples."""
    per_byte = {"8": 1, "80": 1, "24": 3, "32": 4, "212": 3 / 2, "310": 4 / 3, "311": 4 / 3}
    frames = SAMPLES * (5 if about.startswith("x") else 3)
    size = ceil(frames * per_byte.get(storage, 2))
    content = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    if storage == "8":  # Differences from an initial value on.
        content[:5] = 0
    (folder / "a.dat").write_bytes(content.tobytes())
    first = 3 if storage == "8" else 0
    storages = [f"{storage}{about}", storage, storage]
    lines = [
        f"a.dat {s} 200 12 0 {first} 0 0 {lead}" for s, lead in zip(storages, LEADS, strict=True)
    ]
    (folder / "a.hea").write_text("\n".join([f"a 3 250 {SAMPLES}", *lines, ""]))
    return folder / "a.hea"


def write_flac(folder: Path, storage: str) -> Path:
    values = np.stack([*counts(LEADS, SAMPLES, most=120).values()], axis=1)
    how = {"units": ["mV"] * 3, "adc_gain": [100.0] * 3, "baseline": [0] * 3}
    wfdb.wrsamp(
        "a", 250, sig_name=[*LEADS], d_signal=values, fmt=[storage] * 3, write_dir=folder, **how
    )
    return folder / "a.hea"


def write_segments(folder: Path) -> Path:
    """Two segments of other signals each, and a gap between."""
    for name, leads, samples in (("s1", ("I", "II"), 50), ("s2", ("V1", "I"), 60)):
        values = np.stack([*counts(leads, samples).values()], axis=1)
        values.astype("<i2").tofile(folder / f"{name}.dat")
        lines = [f"{name}.dat 16 200 12 0 0 0 0 {lead}" for lead in leads]
        (folder / f"{name}.hea").write_text("\n".join([f"{name} 2 250 {samples}", *lines, ""]))
    (folder / "a.hea").write_text("a/3 3 250 120\ns1 50\n~ 10\ns2 60\n")
    return folder / "a.hea"


def write_two_files(folder: Path) -> Path:
    path = write_wfdb(folder, "16", ":7")
    np.arange(SAMPLES, dtype="<i2").tofile(folder / "b.dat")
    text = path.read_text().replace("a 3", "a 4")
    path.write_text(f"{text}b.dat 16:3 200 12 0 0 0 0 V2\n")
    return path


PLAIN = ("8", "16", "24", "32", "61", "80", "160", "212", "310", "311")
WRITERS: dict[str, Callable[[Path], Path]] = {
    "ISHNE": write_ishne,
    "EDF": write_edf,
    "BDF": write_bdf,
    "NumPy": write_npy,
    "segments": write_segments,
    "two files, with lags": write_two_files,
}
WRITERS |= {f"WFDB {s}": lambda folder, s=s: write_wfdb(folder, s) for s in PLAIN}
WRITERS |= {f"WFDB {s}x3": lambda folder, s=s: write_wfdb(folder, s, "x3") for s in PLAIN}
WRITERS |= {f"WFDB {s}": lambda folder, s=s: write_flac(folder, s) for s in ("508", "516", "524")}
STATED = {"NumPy": {"rate": 250.0, "leads": LEADS, "unit": "uV"}}


@pytest.fixture(scope="module", params=WRITERS)
def record(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    path = WRITERS[request.param](tmp_path_factory.mktemp("record"))
    return opened(path, **STATED.get(request.param, {}))


@settings(max_examples=25)
@given(st.tuples(*[st.integers(0, SAMPLES)] * 2).map(sorted).filter(lambda span: span[0] < span[1]))
def test_a_span_is_what_it_is_in_the_whole(record: Recording, span: tuple[int, int]) -> None:
    whole = record.whole()
    start, stop = span
    cut = record.cut(start, stop)
    np.testing.assert_array_equal(cut.signal, whole.signal[:, start:stop])
    assert cut.signal.dtype == np.float32
    assert (cut.leads, cut.rate, cut.unit) == (record.leads, record.rate, record.unit)
    assert (cut.start, cut.facts) == (start / record.rate, whole.facts)


def test_blocks_join_without_a_seam(record: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = record.whole()
    monkeypatch.setattr(recording, "BLOCK", 7)
    monkeypatch.setattr(wfdb_signals, "BLOCK", 7)
    again = record.whole()
    np.testing.assert_array_equal(again.signal, whole.signal)
    assert (again.leads, again.facts, again.start) == (whole.leads, whole.facts, 0.0)
    values = record.extremes()
    finite = np.isfinite(whole.signal)
    assert values.finite.tolist() == finite.all(axis=1).tolist()
    np.testing.assert_array_equal(values.least, np.nanmin(whole.signal, axis=1))
    np.testing.assert_array_equal(values.most, np.nanmax(whole.signal, axis=1))


def test_a_record_in_memory_is_no_part_of_what_is_read(tmp_path: Path) -> None:
    recording_ = opened(write_npy(tmp_path), **STATED["NumPy"])
    recording_.cut(0, 9).signal[:] = 0
    assert recording_.cut(0, 9).signal.any()


@pytest.mark.parametrize("storage", PLAIN)
def test_a_wrong_checksum_is_found_in_a_record_of_many_blocks(
    tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wfdb(tmp_path, storage)
    path.write_text(path.read_text().replace(" 0 0 V1", " 77 0 V1"))
    with pytest.raises(WrongChecksum, match=r"a\.hea: a\.dat does not hold the values"):
        read(path)
    monkeypatch.setattr(recording, "BLOCK", 7)
    monkeypatch.setattr(wfdb_signals, "BLOCK", 7)
    for reads in (read, windows):
        with pytest.raises(WrongChecksum, match=r"a\.hea: a\.dat does not hold the values"):
            reads(path)
    assert opened(path).cut(0, 5).signal.shape == (3, 5)  # a span alone does not tell
