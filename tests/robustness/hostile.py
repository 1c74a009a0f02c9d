"""Spoiled files of every format: does a reader fail, or read one wrongly in silence?

    PYTHONPATH=tests/data/formats python tests/robustness/hostile.py --inputs 100000

Allowed are a record and an ``InputError``. Violations are any other exception or warning, the end
of the process, 2 s of processor time, memory that does not fit the file's size, and what
``verdicts.outcome`` raises an error for. The message of one names its format and number:
``--only FORMAT --first NUMBER --inputs 1`` makes it again.
"""

import argparse
import mmap
import os
import random
import re
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Never

from confinement import forbid_files_outside
from seeds import SEEDS
from verdicts import Original, outcome

_SECONDS, _ASLEEP = 2, 120
_RESIDENT = 48_000_000
_OUTCOMES = ("read", "refused", "violation")


def run(name: str, numbers: range, seed: int, place: Path) -> list[int]:
    """Read inputs of a format in a process, and in a new one behind an input that ended it.

    Returns:
        How many were read, refused, and violations.
    """
    outcomes = mmap.mmap(-1, len(numbers))
    begun = 0
    while begun < len(numbers):
        child = os.fork()
        if child == 0:
            _read(name, numbers[begun:], seed, place, memoryview(outcomes)[begun:])
        status = os.waitpid(child, 0)[1]
        reached = outcomes.find(b"\0")
        if reached < 0:
            break
        told = signal.Signals(status).name if status in [*signal.Signals] else f"status {status}"
        print(f"{name} {numbers[reached]}: the process ended, {told}", flush=True)
        outcomes[reached] = 1 + _OUTCOMES.index("violation")
        begun = reached + 1
    return [outcomes[:].count(1 + code) for code in range(len(_OUTCOMES))]


def _read(name: str, numbers: range, seed: int, place: Path, outcomes: memoryview) -> Never:
    """Note the outcome of each input as 1 and its place in ``_OUTCOMES``, and end the process."""
    forbid_files_outside(place)
    try:
        originals = [Original(each, place / str(at)) for at, each in enumerate(SEEDS[name])]
        for at, number in enumerate(numbers):
            outcomes[at] = 1 + _OUTCOMES.index(_judged(originals, f"{seed} {name} {number}"))
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


def _judged(originals: Sequence[Original], key: str) -> str:
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    signal.alarm(_ASLEEP)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    try:
        told = outcome(originals, random.Random(key))
        grown = _resident("VmHWM") - before
        assert grown <= _RESIDENT, f"{grown:,} bytes of memory outside of Python"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(f"{key}: {error!r} at {where.filename}:{where.lineno}"[:500], flush=True)
        return "violation"
    return told


def _resident(field: str) -> int:
    """Return bytes of memory that the process holds (VmRSS), or held at most (VmHWM)."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return 1024 * int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="of all formats together")
    parser.add_argument("--first", type=int, default=0, help="number of the first of each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="formats whose name holds this")
    asked = parser.parse_args()
    warnings.simplefilter("error")
    chosen = [name for name in SEEDS if asked.only in name]
    found = 0
    print("format               inputs     read  refused  violations  seconds")
    for name in chosen:
        numbers = range(asked.first, asked.first + -(-asked.inputs // len(chosen)))
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as place:
            read, refused, violations = run(name, numbers, asked.seed, Path(place))
        seconds = time.perf_counter() - began
        told = f"{name:20} {len(numbers):6} {read:8} {refused:8} {violations:11} {seconds:8.1f}"
        print(told, flush=True)
        found += violations
    if found:
        raise SystemExit(f"{found} violations")


if __name__ == "__main__":
    main()
