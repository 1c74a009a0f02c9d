"""Small valid files of every format, to be spoiled."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from io import BytesIO, StringIO
from math import ceil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
import wfdb
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from writing.aecg import aecg
from writing.cardiosoft import cardiosoft
from writing.dicom import dicom, group, item
from writing.edf import ecg, edf
from writing.ishne import ishne
from writing.ishne import sealed as sealed_ishne
from writing.muse import muse
from writing.schiller import schiller
from writing.scp import scp, scp_sections, statements
from writing.scp import sealed as sealed_scp
from writing.sierra import sierra
from writing.signals import Counts, counts

from myocard.leads import LEADS

_THREE = LEADS[:3]
_KNOWN = {"rate": 500.0, "unit": "uV"}


@dataclass(frozen=True)
class Seed:
    """Files of one record, of which the first is read.

    Attributes:
        files: Contents by name.
        samples: Samples of each lead.
        known: Arguments of ``read`` that the files do not say.
        guarded: Name of a file, and the places of its bytes of which there is a checksum.
        sealed: Function that puts a checksum of header and all right in a changed file.
        counted: Whether they tell their length twice, so that a wrong one shows.
    """

    files: Mapping[str, bytes]
    samples: int
    known: Mapping[str, Any] = field(default_factory=dict)
    guarded: tuple[str, range] = ("", range(0))
    sealed: Callable[[bytes], bytes] = bytes
    counted: bool = True


def _numbers(samples: int, leads: tuple[str, ...] = _THREE) -> Counts:
    """Numbers that 8 bits hold."""
    return counts(leads, samples, most=99)


def _file(write: Callable[[Counts], bytes], samples: int, counted: bool = True) -> Seed:
    return Seed({"r": write(_numbers(samples))}, samples, counted=counted)


def _muse(samples: int) -> Seed:
    content = muse(_numbers(samples))
    span = range(content.rindex(b"<WaveFormData>") + 14, content.rindex(b"</WaveFormData>"))
    return Seed({"r": content}, samples, guarded=("r", span))


def _sierra(samples: int, version: str) -> Seed:
    return Seed({"r": sierra(_numbers(samples, LEADS), version)}, samples)


def _dicom(samples: int, syntax: str, undefined: bool) -> Seed:
    notes = [item(UnformattedTextValue="Sinus rhythm")]
    content = dicom([group(_numbers(samples))], notes, syntax, undefined)
    return Seed({"r": content}, samples)


def _edf(samples: int, width: int) -> Seed:
    return Seed({"r": edf(ecg(_numbers(samples)), records=2, width=width)}, samples)


def _ishne(samples: int, extra: bytes) -> Seed:
    content = ishne(_numbers(samples), extra=extra)
    guarded = ("r", range(8, 522 + len(extra)))
    return Seed({"r": content}, samples, guarded=guarded, sealed=sealed_ishne)


def _scp(samples: int, huffman: bool) -> Seed:
    sections = scp_sections(_numbers(samples), huffman=huffman, order=2 * huffman)
    content = scp(sections | {8: statements("Sinus rhythm")})
    guarded = ("r", range(len(content)))
    return Seed({"r": content}, samples, guarded=guarded, sealed=sealed_scp)


def _wfdb(samples: int, storage: str, name: str = "r") -> dict[str, bytes]:
    """A record with checksums, by the ``wfdb`` package."""
    how = {"fmt": [storage] * 3, "adc_gain": [100.0] * 3, "baseline": [0] * 3}
    how |= {"units": ["mV"] * 3, "sig_name": list(_THREE), "fs": 500}
    values = np.stack([*_numbers(samples).values()], axis=1)
    with tempfile.TemporaryDirectory() as folder:
        wfdb.wrsamp(name, d_signal=values, write_dir=folder, **how)
        return {f"{name}{end}": Path(folder, name + end).read_bytes() for end in (".hea", ".dat")}


def _summed(samples: int, storage: str) -> Seed:
    files = _wfdb(samples, storage)
    # The sum is kept in 16 bits: the bytes above those of a longer sample may be any.
    places = range(len(files["r.dat"]) if storage not in ("24", "32") else 0)
    return Seed(files, samples, guarded=("r.dat", places))


def _unsummed(samples: int, storage: str, size: float) -> Seed:
    """A record of random bytes, in the formats that the ``wfdb`` package does not write."""
    lines = [f"r.dat {storage} 100(0)/mV 8 0 0 0 0 {lead}" for lead in _THREE]
    header = "\n".join([f"r 3 500 {samples}", *lines, ""])
    data = np.random.default_rng(samples).bytes(ceil(3 * samples * size))
    return Seed({"r.hea": header.encode(), "r.dat": data}, samples)


def _segments(samples: int) -> Seed:
    half = samples // 2
    header = f"r/4 3 500 {samples + 4}\nl 0\na {half}\n~ 4\nb {half}\n"
    layout = "l 3 500 0\n" + "".join(f"~ 0 100/mV 8 0 0 0 0 {lead}\n" for lead in _THREE)
    files = {"r.hea": header.encode(), "l.hea": layout.encode()}
    return Seed(files | _wfdb(half, "16", "a") | _wfdb(half, "212", "b"), samples + 4)


def _csv(samples: int) -> Seed:
    text = StringIO()
    rows = np.stack([*_numbers(samples).values()], axis=1)
    np.savetxt(text, rows, "%d", ",", header=",".join(_THREE), comments="")
    return Seed({"r.csv": text.getvalue().encode()}, samples, _KNOWN, counted=False)


def _array(name: str, samples: int, write: Callable[[BytesIO, np.ndarray], None]) -> Seed:
    """A file of floats without names."""
    file = BytesIO()
    write(file, np.stack([*_numbers(samples).values()]).astype(float))
    return Seed({name: file.getvalue()}, samples, _KNOWN | {"leads": _THREE})


def _mat(samples: int, **how: Any) -> Seed:
    return _array("r.mat", samples, lambda file, array: scipy.io.savemat(file, {"a": array}, **how))


def _compressed_mat(samples: int) -> Seed:
    seed = _mat(samples, do_compression=True)
    # Behind the header of the file, of the element and of zlib.
    return replace(seed, guarded=("r.mat", range(128 + 8 + 2, len(seed.files["r.mat"]))))


def _hdf5(samples: int, **how: Any) -> Seed:
    """A file that says all about itself."""

    def write(file: BytesIO, array: np.ndarray) -> None:
        with h5py.File(file, "w") as content:
            data = content.create_dataset("ecg", data=array, **how)
            data.attrs.update(rate=500, leads=",".join(_THREE), unit="uV")

    return replace(_array("r.h5", samples, write), known={})


def _summed_hdf5(samples: int) -> Seed:
    """A file of compressed chunks, each with a checksum."""
    seed = _hdf5(samples, chunks=(1, 9), compression="gzip", fletcher32=True)
    with h5py.File(BytesIO(seed.files["r.h5"])) as file:
        data = file["ecg"].id
        chunks = [data.get_chunk_info(number) for number in range(data.get_num_chunks())]
    places = [chunk.byte_offset + at for chunk in chunks for at in (0, chunk.size)]
    return replace(seed, guarded=("r.h5", range(min(places), max(places))))


def _mat_73(samples: int) -> Seed:
    """A file as MATLAB 7.3 writes it: transposed, behind 512 bytes."""

    def write(file: BytesIO, array: np.ndarray) -> None:
        with h5py.File(file, "w", userblock_size=512) as content:
            content["a"] = array.T
            content["a"].attrs["MATLAB_class"] = np.bytes_("double")

    return _array("r.mat", samples, write)


_UNSUMMED = {"8": 1, "61": 2, "160": 2, "310": 4 / 3, "311": 4 / 3}
_MAKERS: dict[str, tuple[Callable[[int], Seed], ...]] = {
    "GE MUSE XML": (_muse,),
    "Philips Sierra XML": (partial(_sierra, version="1.03"), partial(_sierra, version="1.04.01")),
    "HL7 aECG": (partial(_file, aecg, counted=False),),
    "GE CardioSoft XML": (partial(_file, cardiosoft),),
    "Schiller XML": (partial(_file, schiller),),
    "DICOM": (
        partial(_dicom, syntax=ExplicitVRLittleEndian, undefined=True),
        partial(_dicom, syntax=ImplicitVRLittleEndian, undefined=False),
    ),
    "EDF": (partial(_edf, width=2),),
    "BDF": (partial(_edf, width=3),),
    "ISHNE": (partial(_ishne, extra=b""), partial(_ishne, extra=b"more")),
    "SCP-ECG": (partial(_scp, huffman=True), partial(_scp, huffman=False)),
    "WFDB": (
        *(partial(_summed, storage=each) for each in ("16", "24", "32", "80", "212")),
        *(partial(_unsummed, storage=each, size=size) for each, size in _UNSUMMED.items()),
    ),
    "WFDB FLAC": tuple(partial(_summed, storage=each) for each in ("508", "516", "524")),
    "WFDB segments": (_segments,),
    "CSV": (_csv,),
    "NumPy": (lambda samples: _array("r.npy", samples, np.save),),
    "MATLAB 4": (partial(_mat, format="4"),),
    "MATLAB 5": (_mat, _compressed_mat),
    "MATLAB 7.3": (_mat_73,),
    "HDF5": (_hdf5, _summed_hdf5),
}
SEEDS = {
    name: [make(samples) for make in makers for samples in (40, 26)]
    for name, makers in _MAKERS.items()
}
"""Seeds of each format, each kind of file in two lengths."""
