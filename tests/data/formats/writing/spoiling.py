"""Spoiled copies of a file, and what reading one may do."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from numpy.typing import NDArray

from myocard.data.formats.found import Found, Stored
from myocard.errors import InputError

_PER_BYTE, _ANYWAY = 300, 4_000_000


def spoiled(content: bytes) -> st.SearchStrategy[bytes]:
    """Copies with some bytes replaced, and perhaps cut or lengthened."""
    places = st.integers(0, len(content) - 1) | st.integers(0, min(len(content), 600) - 1)
    changes = st.lists(
        st.tuples(places, st.sampled_from((0, 1, 127, 128, 255)) | st.integers(0, 255))
    )
    return st.builds(_changed, st.just(content), changes, st.none() | places, st.binary(max_size=9))


def _changed(content: bytes, changes: list[tuple[int, int]], end: int | None, more: bytes) -> bytes:
    spoilt = bytearray(content)
    for place, byte in changes:
        spoilt[place] = byte
    return bytes(spoilt[:end]) + more


def whole(found: Found) -> NDArray[Any]:
    """All samples that a reader found."""
    signal = found.signal
    return signal.cut(0, signal.shape[1]) if isinstance(signal, Stored) else signal


def check_reading(read: Callable[[Path], Found], path: Path) -> None:
    """Allow a content or an ``InputError`` that names the file, in memory that fits its size."""
    told, size = str(path), path.stat().st_size
    tracemalloc.start()
    try:
        signal = whole(read(path))
    except InputError as error:
        told = str(error)
    else:
        assert signal.dtype.kind == "f"
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert str(path) in told
    assert most < _PER_BYTE * size + _ANYWAY
