"""Binary files, texts and arrays that lie about their size: refused quickly, in little memory."""

import io
import os
from collections.abc import Callable
from pathlib import Path
from struct import calcsize, pack

import h5py
import numpy as np
import pytest
import scipy.io
import soundfile
from seeds import SEEDS
from verdicts import check_refused
from writing.ishne import sealed as sealed_ishne
from writing.scp import sealed as sealed_scp

from myocard.data.formats.reading import read
from myocard.errors import InputError

FILES = {name: seeds[0].files for name, seeds in SEEDS.items()}
FILE = {name: next(iter(files.values())) for name, files in FILES.items()}
KNOWN = SEEDS["NumPy"][0].known
LIE = 200_000_000


def put(content: bytes, place: int, kind: str, value: int = LIE) -> bytes:
    return content[:place] + pack(kind, value) + content[place + calcsize(kind) :]


def behind(content: bytes, mark: bytes) -> int:
    return content.index(mark) + len(mark)


ISHNE, SCP, DICOM, EDF = FILE["ISHNE"], FILE["SCP-ECG"], FILE["DICOM"], FILE["EDF"]
SIERRA = FILE["Philips Sierra XML"]
WAVES = DICOM.index(b"\x00\x54\x00\x01SQ")
OPEN = b"SQ\0\0\xff\xff\xff\xff"
NESTED = (b"\x00\x54\x00\x01" + OPEN + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 100_000
ITEMS = b"\x00\x54\x00\x01" + OPEN + b"\xfe\xff\x00\xe0\0\0\0\0" * 20_000


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (sealed_ishne(put(ISHNE, 10, "<i")), "blocks overlap or lie outside"),
        (sealed_ishne(put(ISHNE, 14, "<i")), "says 200000000 samples"),
        (sealed_ishne(put(ISHNE, 22, "<i")), "blocks overlap or lie outside"),
        (put(SCP, 2, "<I"), "its header says 200000000"),
        (sealed_scp(put(SCP, 22 + 6 * 10 + 2, "<I")), "section 6 overlaps"),
        (sealed_scp(put(SCP, 22 + 6 * 10 + 6, "<I")), "section 6 overlaps"),
        (sealed_scp(SCP.replace(pack("<II", 1, 40), pack("<II", 1, LIE))), "do not hold"),
        (put(DICOM, behind(DICOM, b"\x00\x54\x10\x10OW\0\0"), "<I"), "ends inside element"),
        (put(DICOM, behind(DICOM, b"\x3a\x00\x10\x00UL\4\0"), "<I"), "200000000 samples of 3"),
        (DICOM[:WAVES] + NESTED, "nested deeper"),
        (DICOM[:WAVES] + ITEMS, "no recorded ECG among its 20000 groups"),
        (SIERRA.replace(b'durationperchannel="80', b'durationperchannel="9000000'), "promised by"),
        (EDF[:236] + b"99999999" + EDF[244:], "its header promises 12"),
        (EDF[:252] + b"9999" + EDF[256:], "broken"),
        (EDF[:904] + b"99999999" + EDF[912:], "its header promises"),
        *((EDF[:244] + f"{text:8}".encode() + EDF[252:], "s; correct its header")
          for text in ("0", "-1", "nan", "inf")),
        *((EDF[:244] + f"{text:8}".encode() + EDF[252:], "a rate of")
          for text in ("1e-300", "1e-6", "1e300")),
    ],
)  # fmt: skip
def test_lengths_that_lie_are_refused(tmp_path: Path, content: bytes, told: str) -> None:
    check_refused({"r": content}, tmp_path, told)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("r 3 500 40", "r 1000000000 500 40", "not a WFDB record line"),
        ("r 3 500 40", "r 3 500 1000000000", "wrong length"),
        ("r 3 500 40", "r/1000000000 3 500 40", "not a WFDB record line"),
        ("r 3 500 40", "r 3 1e300 40", "a rate of 1e[+]300"),
        ("r.dat 16 ", "r.dat 16x1000000000 ", "wrong length"),
        ("r.dat 16 ", "r.dat 16x0 ", "no samples in a frame"),
        ("r.dat 16 ", "r.dat 16:1000000000 ", "lags by more"),
        ("r.dat 16 ", "r.dat 16+1000000000 ", "wrong length"),
        ("r.dat", "r.hea", "wrong length"),
        ("r.dat", "/dev/zero", "outside its own folder"),
    ],
)
def test_wfdb_headers_that_lie_are_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    header = FILES["WFDB"]["r.hea"].replace(old.encode(), new.encode())
    check_refused(FILES["WFDB"] | {"r.hea": header}, tmp_path, told)


def test_one_signal_file_under_many_names_is_refused(tmp_path: Path) -> None:
    lines = [f"{number}/r.dat 16 100 16 0 0 0 0 {number}" for number in range(512)]
    files = {"r.hea": "\n".join(["r 512 500 9000", *lines]).encode(), "r.dat": bytes(18_000)}
    check_refused(files, tmp_path, "one signal file under two names")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("r/2 3 500 80\nr 40\nr 40\n", "segment r has segments itself"),
        ("r/1 3 500 1000000000\na 1000000000\n", "segment a does not hold"),
        ("r/2 3 500 1000000013\na 20\n~ 1000000000\n", "1000000000 samples of gaps"),
        ("r/10000 3 500 10000\n" + "".join(f"s{n} 1\n" for n in range(10_000)), "cannot read"),
    ],
)
def test_segments_that_lie_are_refused(tmp_path: Path, header: str, told: str) -> None:
    files = FILES["WFDB segments"]
    check_refused(files | {"r.hea": header.encode()}, tmp_path, told)


def test_segments_of_a_signal_each_take_no_room_for_all_signals(tmp_path: Path) -> None:
    header = "r/300 1 500 30000\n" + "".join(f"s{number} 100\n" for number in range(300))
    files = {"r.hea": header.encode()}
    for number in range(300):
        line = f"s{number}.dat 16 100 16 0 0 0 0 L{number}"
        files |= {f"s{number}.hea": f"s 1 500 100\n{line}".encode(), f"s{number}.dat": bytes(200)}
    check_refused(files, tmp_path, "300 signals of 30000 samples, of which it has 30000; read")


def test_a_pipe_for_a_header_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "r.hea")
    with pytest.raises(InputError, match="a pipe"):
        read(tmp_path / "r.hea")


@pytest.mark.parametrize(("total", "told"), [(LIE, "are promised"), (9000, "not a FLAC file")])
def test_a_flac_total_that_lies_is_refused(tmp_path: Path, total: int, told: str) -> None:
    files = FILES["WFDB FLAC"]
    data, header = files["r.dat"], files["r.hea"].replace(b" 500 40", b" 500")
    stated = int.from_bytes(data[18:26]) >> 36 << 36 | total
    data = data[:18] + stated.to_bytes(8) + data[26:]
    check_refused({"r.hea": header, "r.dat": data}, tmp_path, told)


def test_flac_of_endless_silence_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    silence = np.zeros((1_000_000, 3), np.int16)
    soundfile.write(file, silence, 500, format="FLAC", subtype="PCM_16")
    header = FILES["WFDB FLAC"]["r.hea"].replace(b" 500 40", b" 500")
    files = {"r.hea": header.replace(b" 508 ", b" 516 "), "r.dat": file.getvalue()}
    check_refused(files, tmp_path, "1000000 samples are promised")


def _nested(file: h5py.File) -> None:
    for _ in range(1100):
        file = file.create_group("a")


def _chunked(file: h5py.File) -> None:
    data = file.create_dataset("a", (3, 5000), "f8", chunks=(1, 1000))
    data[:, :3000] = np.random.default_rng(0).normal(size=(3, 3000))


HDF5: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "unallocated": (
        lambda file: file.create_dataset("a", (3, LIE), "f8", chunks=(1, 1000)),
        "does not hold them",
    ),
    "unwritten": (lambda file: file.create_dataset("a", (3, 5000), "f8"), "are not in it"),
    "partly written": (_chunked, "are not in it"),
    "zeros": (
        lambda file: file.create_dataset("a", data=np.zeros((3, 500_000)), compression=1),
        "does not hold them",
    ),
    "great chunks": (
        lambda file: file.create_dataset(
            "a", data=np.ones((3, 50)), maxshape=(3, None), chunks=(3, 500_000), compression=1
        ),
        "does not hold them",
    ),
    "nested groups": (_nested, "not a readable HDF5 file"),
}


@pytest.mark.parametrize("kind", HDF5)
def test_hdf5_that_promises_more_than_it_holds_is_refused(tmp_path: Path, kind: str) -> None:
    write, told = HDF5[kind]
    with h5py.File(tmp_path / "r.h5", "w") as file:
        write(file)
    check_refused({"r.h5": (tmp_path / "r.h5").read_bytes()}, tmp_path, told, KNOWN)


@pytest.mark.parametrize("mark", [b"\0" * 8, b"\xff" * 8])
def test_a_heap_of_hdf5_that_does_not_end_is_refused(tmp_path: Path, mark: bytes) -> None:
    content = FILE["HDF5"]
    size = content.index(b"GCOL\1") + 24
    check_refused({"r.h5": content[:size] + mark + content[size + 8 :]}, tmp_path, "in a heap")


def test_a_text_of_hdf5_that_is_longer_than_its_file_is_refused(tmp_path: Path) -> None:
    content = FILE["HDF5"]
    length = content.index(pack("<I", len("I,II,III")), behind(content, b"leads\0\0\0") + 32)
    check_refused({"r.h5": put(content, length, "<I")}, tmp_path, "texts of its attribute 'leads'")


def test_a_chunk_of_hdf5_that_is_shorter_than_its_checksum_is_refused(tmp_path: Path) -> None:
    content = SEEDS["HDF5"][2].files["r.h5"]
    with h5py.File(io.BytesIO(content)) as file:
        chunk = file["ecg"].id.get_chunk_info(3)
    key = pack("<IIQQQQ", chunk.size, 0, 0, 27, 0, chunk.byte_offset)
    place = content.index(key)
    check_refused({"r.h5": put(content, place, "<I", 1)}, tmp_path, "shorter than its checksum")


def test_matlab_bombs_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    scipy.io.savemat(file, {"a": np.zeros((3, 500_000))}, do_compression=True)
    bomb = file.getvalue()
    for content in (bomb, bomb[:128] + bomb[128:] * 9):
        check_refused({"r.mat": content}, tmp_path, "far more than any ECG", KNOWN)


@pytest.mark.parametrize(("name", "place"), [("MATLAB 4", 8), ("MATLAB 5", 132)])
def test_a_matlab_length_that_lies_is_refused(tmp_path: Path, name: str, place: int) -> None:
    check_refused({"r.mat": put(FILE[name], place, "<I")}, tmp_path, "not a MATLAB file", KNOWN)


def test_numbers_of_a_vax_are_refused(tmp_path: Path) -> None:
    content = put(FILE["MATLAB 4"], 0, "<I", 2000)
    check_refused({"r.mat": content}, tmp_path, "byte ordering 'VAX D-float'", KNOWN)


@pytest.mark.parametrize("shape", ["(3, 1000000000)", "(3, 39)", "(-3, -40)", "(0, 40)"])
def test_a_numpy_header_that_lies_is_refused(tmp_path: Path, shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = FILE["NumPy"]
    check_refused(
        {"r.npy": content[:10] + header.encode() + content[128:]},
        tmp_path,
        "not a NumPy array of numbers",
        KNOWN,
    )


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"1.5," * 200_000, "200001 columns; write one a lead"),
        (b"I,II,III\n\n" + b"," * 500_000, "rows are longer than the first"),
        (b'I,II,III\n"' + b"1,2,3\n" * 100_000, "not a table of numbers"),
        (b"I,II,III\n1,2,1e300\n", "values beyond 1e38 uV"),
    ],
)
def test_a_table_without_end_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    check_refused({"r.csv": content}, tmp_path, told, KNOWN)
