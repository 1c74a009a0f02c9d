"""The one rule of finished folders, for every program that writes a folder.

Same inputs: the folder is kept. Other inputs: refused, naming the key that differs and both values.
Absent: made, whole or not at all.
"""

import json
import logging
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from myocard.errors import InputError
from myocard.files.atomic import LOCK, occupied, put_back, put_in_place, replace_file, work_folder

LOG = logging.getLogger(__name__)
INPUTS = "inputs.json"
"""The file, in the folder that was made, that tells from what."""

_HASH = re.compile(r"[0-9a-f]{64}")

REMEDY = "choose another folder, or remove it"

Inputs = Mapping[str, Any]
Make = Callable[[Path, Path], object]
"""Function that fills the fresh folder, its first; files in the second survive a stop."""


def step(
    out: Path,
    inputs: Inputs,
    make: Make,
    *,
    is_enough: Callable[[Path], bool] = lambda folder: True,
    inputs_of: Callable[[Path], Inputs] | None = None,
) -> bool:
    """Make the folder ``out`` from ``inputs``, or keep it.

    Args:
        out: The folder.
        inputs: All that its content depends on, as JSON can hold it.
        make: Makes the content.
        is_enough: Tells if a folder with the same inputs holds all that is asked for; one that does
            not is replaced whole.
        inputs_of: Reads the inputs of a folder that is there.

    Returns:
        True if it was made, False if it was kept.

    Raises:
        InputError: When ``out`` was made from other inputs, a stopped job beside it was, another
            process is at work there, or it cannot be written.
    """
    work = work_folder(out)
    with occupied(work, named=out):
        put_back(out)
        kept = is_kept(out, inputs, is_enough=is_enough, inputs_of=inputs_of)
        if kept:
            LOG.info("%s: is there, made from the same inputs; kept", out)
        else:
            with _claimed(work, inputs, out):
                fresh = work / "new"
                fresh.mkdir()
                write_inputs(fresh, inputs)
                make(fresh, work)
                put_in_place(out)
        _clear(work)
    return not kept


def file_step(out: Path, inputs: Inputs, make: Make) -> bool:
    """Make the file ``out`` from ``inputs``, or keep it, as ``step`` does a folder.

    The inputs stand beside it, in ``NAME.inputs.json``.

    Args:
        out: The file.
        inputs: All that its content depends on, as JSON can hold it.
        make: Writes the fresh file, its first; files in the folder that is its second survive a
            stop.

    Returns:
        True if it was made, False if it was kept.

    Raises:
        InputError: As ``step``.
    """
    work, beside = work_folder(out), inputs_beside(out)
    if out.exists():
        _require_same(_read(beside, out), inputs, out, "choose another file, or remove it")
        clear(work, named=out)
        LOG.info("%s: is there, made from the same inputs; kept", out)
        return False
    with workplace(work, inputs, named=out):
        fresh, stated = work / f".{out.name}", work / f".{beside.name}"
        try:
            make(fresh, work)
            stated.write_text(_text(inputs), encoding="utf-8")
        except BaseException:
            fresh.unlink(missing_ok=True)  # The disk may be full of it.
            stated.unlink(missing_ok=True)
            raise
        stated.replace(beside)
        fresh.replace(out)
    return True


def inputs_beside(out: Path) -> Path:
    """Return the path of the file that tells from what the file ``out`` was made."""
    return out.with_name(f"{out.name}.{INPUTS}")


def is_kept(
    out: Path,
    inputs: Inputs,
    *,
    is_enough: Callable[[Path], bool] = lambda folder: True,
    inputs_of: Callable[[Path], Inputs] | None = None,
    remedy: str = REMEDY,
) -> bool:
    """Tell whether ``step`` with the same arguments would keep ``out``.

    ``remedy`` is what helps where other inputs are refused.

    Raises:
        InputError: When ``out`` was made from other inputs.
    """
    if not out.exists():
        return False
    _require_same((inputs_of or read_inputs)(out), inputs, out, remedy)
    return is_enough(out)


@contextmanager
def workplace(work: Path, inputs: Inputs, *, named: Path) -> Iterator[None]:
    """Occupy the folder ``work`` within a ``with`` block, and remove it in the end.

    A stop leaves what the block put there, and only a job with the same inputs takes it up.

    Args:
        work: The folder.
        inputs: Inputs of the job.
        named: The folder that comes of it, for messages.

    Raises:
        InputError: When another process is at work there, a job with other inputs was, or it cannot
            be written.
    """
    with occupied(work, named=named):
        with _claimed(work, inputs, named):
            yield
        _clear(work)


def clear(work: Path, *, named: Path) -> None:
    """Remove the workplace of a job that was killed when all that comes of it was there.

    Args:
        work: The folder; it may be missing.
        named: The folder that comes of it, for messages.

    Raises:
        InputError: When another process is at work there.
    """
    if work.exists():
        with occupied(work, named=named):
            _clear(work)


@contextmanager
def _claimed(work: Path, inputs: Inputs, named: Path) -> Iterator[None]:
    for half_written in [path for path in work.rglob(".*") if path.is_file()]:
        if half_written.name != LOCK:
            half_written.unlink()
    if (work / INPUTS).exists():
        remedy = f"it is what a stopped job left; remove {work} to drop it"
        _require_same(read_inputs(work), inputs, named, remedy)
    write_inputs(work, inputs)
    try:
        yield
    except BaseException:
        shutil.rmtree(work / "new", ignore_errors=True)
        if {path.name for path in work.iterdir()} <= {LOCK, INPUTS}:
            (work / INPUTS).unlink()  # Nothing to take up: other inputs may be tried.
        raise


def write_inputs(folder: Path, inputs: Inputs) -> None:
    text = _text(inputs)
    replace_file(folder / INPUTS, lambda fresh: fresh.write_text(text, encoding="utf-8"))


def _text(inputs: Inputs) -> str:
    return json.dumps(inputs, indent=2, default=str) + "\n"


def read_inputs(folder: Path, file: str = INPUTS) -> Inputs:
    """Read from what ``folder`` was made, in the file of it that tells so.

    Raises:
        InputError: When it does not say.
    """
    return _read(folder / file, folder)


def _read(path: Path, made: Path) -> Inputs:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{made}: exists already and does not say from what it was made (no readable "
            f"{path.name}); remove it or choose another {'folder' if made.is_dir() else 'file'}"
        ) from error


def _require_same(found: Inputs, wanted: Inputs, out: Path, remedy: str) -> None:
    have, want = _flat(found), _flat(json.loads(json.dumps(wanted, default=str)))
    other = [key for key in [*want, *(have.keys() - want.keys())] if have.get(key) != want.get(key)]
    if other:
        shown = "; ".join(f"{key} is {_compared(have, want, key)}" for key in other[:3])
        more = f"; and {len(other) - 3} more" if len(other) > 3 else ""
        raise InputError(f"{out}: made from other inputs: {shown}{more}; {remedy}")


def _flat(inputs: Inputs, prefix: str = "") -> dict[str, object]:
    """Flatten nested keys, which are joined by dots."""
    flat: dict[str, object] = {}
    for key, value in inputs.items():
        nested = isinstance(value, Mapping) and value
        flat |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def _compared(have: Inputs, want: Inputs, key: str) -> str:
    one, other = have.get(key), want.get(key)
    both_hashes = _HASH.fullmatch(str(one)) and _HASH.fullmatch(str(other))
    told = f"{_shown(have, key)}, not {_shown(want, key)}"
    return f"another (hash {one:.8}…, not {other:.8}…)" if both_hashes else told


def _shown(values: Inputs, key: str) -> str:
    if key not in values:
        return "absent"
    text = json.dumps(values[key])
    return text if len(text) <= 60 else f"{text[:57]}…{text[-1]}"


def _clear(work: Path) -> None:
    """Remove what a job that is done left; ``inputs.json`` goes last."""
    for path in work.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (LOCK, INPUTS):
            path.unlink()
    (work / INPUTS).unlink(missing_ok=True)
