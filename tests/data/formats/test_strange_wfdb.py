"""WFDB records as devices, converters and old shares leave them: read rightly, or refused."""

from pathlib import Path

import numpy as np
import pytest

from myocard.data.formats.reading import read
from myocard.data.formats.wfdb import WrongChecksum
from myocard.errors import InputError

ADC = np.random.default_rng(5).integers(-900, 900, (40, 2))


def write(
    folder: Path,
    name: str = "r",
    values: np.ndarray = ADC,
    *,
    scale: str = "1000(0)/mV",
    rate: int = 100,
    leads: tuple[str, ...] = ("I", "II"),
    header: str | None = None,
) -> Path:
    """A record of ``(samples, leads)`` ADC units with true checksums."""
    lines = [
        f"{name}.dat 16 {scale} 16 0 {column[0]} {int(column.sum()) % 2**16} 0 {lead}"
        for column, lead in zip(values.T, leads, strict=True)
    ]
    text = "\n".join([f"{header or name} {len(leads)} {rate} {len(values)}", *lines, ""])
    (folder / f"{name}.hea").write_text(text, encoding="utf-8")
    values.astype("<i2").tofile(folder / f"{name}.dat")
    return folder / f"{name}.hea"


def edit(path: Path, old: str, new: str, encoding: str = "utf-8") -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_bytes(text.replace(old, new).encode(encoding))
    return path


def joined(folder: Path, second: dict[str, object], layout: bool = False) -> Path:
    """A record of two segments, the second written otherwise."""
    write(folder, "s1")
    write(folder, "s2", **second)
    lines = ["s1 40", "s2 40"]
    if layout:
        (folder / "l.hea").write_text(
            "l 2 100 0\n~ 0 1000/mV 16 0 0 0 0 I\n~ 0 1/mV 0 0 0 0 0 II\n"
        )
        lines.insert(0, "l 0")
    (folder / "r.hea").write_text("\n".join([f"r/{len(lines)} 2 100 80", *lines, ""]))
    return folder / "r.hea"


@pytest.mark.parametrize("layout", [False, True])
@pytest.mark.parametrize(
    ("scale", "factor"), [("1(0)/uV", 1e-3), ("1e6(0)/V", 1e-3), ("500(7)/mV", 2e-3)]
)
def test_segments_in_other_units_are_converted(
    tmp_path: Path, scale: str, factor: float, layout: bool
) -> None:
    record = read(joined(tmp_path, {"scale": scale}, layout))
    zero = 7 if "(7)" in scale else 0
    both = np.vstack([ADC * 1e-3, (ADC - zero) * factor]).T
    np.testing.assert_allclose(record.signal, both, rtol=1e-5, atol=1e-7)
    assert (record.rate, record.unit, record.leads) == (100, "mV", ("I", "II"))


def test_segments_are_joined_by_name_and_not_by_place(tmp_path: Path) -> None:
    record = read(joined(tmp_path, {"leads": ("II", "I")}))
    np.testing.assert_allclose(record.signal[0, 40:], ADC[:, 1] / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"rate": 200}, "segment s2 of 200 Hz in a record of 100 Hz"),
        ({"scale": "1000/NU"}, "signal I in mV and in NU"),
        ({"values": ADC[:39]}, "segment s2 does not hold 40 samples"),
    ],
)
def test_segments_that_cannot_be_joined_are_refused(
    tmp_path: Path, second: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(joined(tmp_path, second))


def test_a_segment_is_read_once(tmp_path: Path) -> None:
    path = edit(joined(tmp_path, {}), "s2 40", "s1 40")
    with pytest.raises(InputError, match="two segments are of one file"):
        read(path)


@pytest.mark.parametrize("layout", ["plain", "segment", "format 24"])
def test_the_signals_of_another_record_are_refused(tmp_path: Path, layout: str) -> None:
    path = joined(tmp_path, {}) if layout == "segment" else write(tmp_path, "s1")
    other = ADC[::-1] + 3
    if layout == "format 24":
        edit(path, ".dat 16 ", ".dat 24 ")
        wide = other.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]
        wide.tofile(tmp_path / "s1.dat")
    else:
        other.astype("<i2").tofile(tmp_path / "s1.dat")
    with pytest.raises(WrongChecksum, match=r"s1\.dat does not hold .* checksum \(signal I\)"):
        read(path)


def test_a_checksum_of_0_may_be_a_placeholder(tmp_path: Path) -> None:
    path = write(tmp_path)
    for column in ADC.T:
        edit(path, f" {column[0]} {int(column.sum()) % 2**16} 0 ", " 0 0 0 ")
    np.testing.assert_allclose(read(path).signal, ADC.T / 1000, rtol=1e-6)


@pytest.mark.parametrize("mark", ["\v", "\f", "\x1c", "\x85", "\u2028", "\u2029", "\r"])
def test_a_comment_ends_at_a_newline_alone(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + f"# Dx: one{mark}two\n".encode())
    assert read(path).signal.shape == (2, 40)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "utf-8-sig"])
@pytest.mark.parametrize("storage", ["16", "61"])
def test_microvolts_are_known_by_their_sign(tmp_path: Path, encoding: str, storage: str) -> None:
    path = edit(write(tmp_path, scale="1(0)/µV"), "r.dat 16", f"r.dat {storage}", encoding)
    ADC.astype(">i2" if storage == "61" else "<i2").tofile(tmp_path / "r.dat")
    np.testing.assert_allclose(read(path).signal, ADC.T / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("header", "signals", "inside"),
    [("A.HEA", "A.DAT", "A.DAT"), ("A.HEA", "A.DAT", "a.dat"), ("a.hea", "a.DAT", "a.dat")],
)
def test_endings_may_be_in_any_case(tmp_path: Path, header: str, signals: str, inside: str) -> None:
    path = edit(write(tmp_path), "r.dat", inside)
    path.rename(tmp_path / header)
    (tmp_path / "r.dat").rename(tmp_path / signals)
    for given in (header, signals, header.partition(".")[0]):
        np.testing.assert_allclose(read(tmp_path / given).signal, ADC.T / 1000, rtol=1e-6)


@pytest.mark.parametrize("named", ["beats/r", "beats/2", "a/b/r"])
@pytest.mark.parametrize("below", [False, True])
def test_names_may_have_a_folder_before_them(tmp_path: Path, named: str, below: bool) -> None:
    """Below the header if the folder is there; else beside it."""
    path = edit(write(tmp_path, header=named), "r.dat", "beats/r.dat")
    if below:
        (tmp_path / "beats").mkdir()
        (tmp_path / "r.dat").rename(tmp_path / "beats" / "r.dat")
    assert read(path).signal.shape == (2, 40)
    edit(path, "beats/r.dat", "beats\\r.dat")
    assert read(path).signal.shape == (2, 40)


@pytest.mark.parametrize(
    "names",
    [("MDC_ECG_LEAD_I", "MDC_ECG_LEAD_aVR"), ("Lead I", "lead AVR"), ("ECG I", "EKG aVR")],
)
def test_leads_are_known_with_words_before_them(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert read(write(tmp_path, leads=names)).leads == ("I", "aVR")


@pytest.mark.parametrize("name", ["ECG 1", "V", "Lead -aVR", "MCL1", "V3R", "MDC_ECG_LEAD_V3R"])
def test_what_is_none_of_the_twelve_is_named_and_renamed(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, leads=(name, "resp"))
    with pytest.raises(InputError, match=f"among {name!r}, 'resp'; say .* --rename NAME=LEAD"):
        read(path)
    record = read(path, rename={name.lower(): "V1"})
    assert record.leads == ("V1",)
    np.testing.assert_allclose(record.signal[0], ADC[:, 0] / 1000, rtol=1e-6)
    assert read(path, leads=["V1", "II"]).leads == ("V1", "II")


def test_a_lead_that_is_renamed_must_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown lead 'V7'"):
        read(write(tmp_path), rename={"II": "V7"})
    with pytest.raises(InputError, match="a lead is named twice"):
        read(write(tmp_path), rename={"II": "I"})


@pytest.mark.parametrize("unit", ["uV", "µV", "UV", "microvolts"])
def test_a_unit_that_the_header_states_may_be_given(tmp_path: Path, unit: str) -> None:
    path = write(tmp_path, scale="1(0)/uV")
    np.testing.assert_allclose(read(path, unit=unit).signal, ADC.T / 1000, rtol=1e-6)
    with pytest.raises(InputError, match="its unit is uV, mV was given"):
        read(path, unit="mV")


def test_flac_that_holds_less_or_something_else_is_refused(tmp_path: Path) -> None:
    path = edit(write(tmp_path), ".dat 16 ", ".dat 516 ")
    with pytest.raises(InputError, match="not a FLAC file"):
        read(path)
