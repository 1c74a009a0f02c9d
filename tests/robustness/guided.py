"""Coverage-guided fuzzing of the readers of ``hostile.py``, by ``atheris``.

    pip install atheris
    PYTHONPATH=tests/data/formats python tests/robustness/guided.py SCP-ECG -runs=20000

Takes a format of ``seeds.py`` and libFuzzer's options. The first file of its seeds is changed, and
its checksum put right; allowed are a record and an ``InputError``, in memory that fits the size.
"""

import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["myocard.data.formats"]):
    from verdicts import Original

from seeds import SEEDS


def main() -> None:
    seeds = SEEDS[sys.argv.pop(1)]
    place = Path(tempfile.mkdtemp())
    original = Original(seeds[0], place / "record")
    name = next(iter(seeds[0].files))
    corpus = place / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(seeds):
        (corpus / str(number)).write_bytes(seed.files[name])

    def read(content: bytes) -> None:
        original.read_with(name, seeds[0].sealed(content))

    atheris.Setup([*sys.argv, str(corpus)], read)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
