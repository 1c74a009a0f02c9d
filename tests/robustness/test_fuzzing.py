"""Every reader makes an object or an ``InputError`` of a spoiled file, and nothing else."""

import warnings
from collections.abc import Iterator

import fuzzing
import pytest
import scipy.io

from myocard.data.formats import reading as formats
from myocard.errors import InputError


@pytest.fixture(autouse=True)
def forks_are_meant() -> Iterator[None]:
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; these have one of their own.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_spoiled_files_are_read_or_refused(tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    fuzzing._made(place)
    for kind, target in fuzzing.targets(place).items():
        refused, fault = fuzzing.in_a_fork(target, place, 40, f"test {kind}")
        assert fault == "", kind
        assert refused > 0, kind


def test_a_matlab_file_with_an_unknown_type_of_values_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"val": [[1.0, 2.0], [3.0, 5.5]]})
    content = bytearray(path.read_bytes())
    values = content.rindex((9).to_bytes(4, "little") + (32).to_bytes(4, "little"))
    content[values] = 200
    path.write_bytes(content)
    with pytest.raises(InputError, match="a.mat: not a MATLAB file: values of an unknown type"):
        formats.read(path, leads=("I", "II"), rate=100.0, unit="mV")
