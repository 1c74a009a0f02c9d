"""Coverage-guided fuzzing of the two parsers of headers: WFDB's, and the look through MATLAB files.

    pip install atheris
    .venv/bin/python tests/robustness/headers.py wfdb -max_total_time=120
    .venv/bin/python tests/robustness/headers.py mat -max_total_time=120

Options are libFuzzer's. Allowed are a header and an ``InputError`` (``ValueError`` for MATLAB).
"""

import io
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import atheris
import numpy as np
import scipy.io

with atheris.instrument_imports(include=["myocard.data"]):
    from myocard.data.formats import matlab, wfdb_header

from myocard.errors import InputError

FILE = Path(tempfile.mkdtemp()) / "a.hea"
VALID = b"""a 2 500 5000
a.dat 16 1000.0(0)/mV 16 0 -119 1508 0 I
a.dat 16 1000/mV 16 0 0 0 0 II
# x
"""


def wfdb(content: bytes) -> None:
    FILE.write_bytes(content)
    with suppress(InputError):
        wfdb_header.read_header(FILE)


def mat(content: bytes) -> None:
    with suppress(ValueError):
        matlab.check(content)


def seeds(kind: str) -> list[bytes]:
    if kind == "wfdb":
        return [VALID]
    plain, packed = io.BytesIO(), io.BytesIO()
    scipy.io.savemat(plain, {"val": np.ones((2, 3)), "s": {"a": np.arange(4)}})
    scipy.io.savemat(packed, {"val": np.ones((2, 3))}, do_compression=True)
    return [plain.getvalue(), packed.getvalue()]


def main() -> None:
    targets: dict[str, Callable[[bytes], None]] = {"wfdb": wfdb, "mat": mat}
    kind = sys.argv.pop(1)
    corpus = Path(tempfile.mkdtemp())
    for number, content in enumerate(seeds(kind)):
        (corpus / str(number)).write_bytes(content)
    atheris.Setup([*sys.argv, str(corpus)], targets[kind])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
