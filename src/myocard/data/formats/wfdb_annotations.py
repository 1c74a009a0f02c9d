"""WFDB annotation files in MIT's format: symbols at samples of a record.

Format: https://physionet.org/physiotools/wag/annot-5.htm. They are decoded here: the ``wfdb``
package takes 40 ms for a lead of ten seconds, and a record has twelve.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError

SYMBOLS = {1: "N", 24: "p", 27: "t", 39: "(", 40: ")"}
"""Symbols by their codes, as far as delineations have them."""
_NOTHING, _NOTE, _JUMP, _AUXILIARY = 0, 22, 59, 63
# Ten seconds of one lead take 250 bytes. A file of this size is something else.
_MOST_BYTES = 1_000_000


class Marks(NamedTuple):
    """Marks in the order of time.

    Attributes:
        samples: ``(marks,)`` their samples, counted from 0.
        symbols: Their symbols, such as ``N`` for a normal beat; the code where it is not among
            ``SYMBOLS``.
    """

    samples: NDArray[np.int64]
    symbols: list[str]


def read_marks(path: Path) -> Marks:
    """Read an annotation file; notes in it are left out.

    Raises:
        InputError: When it is missing, too large, cut off, or its marks are out of order.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InputError(f"{path}: more than {_MOST_BYTES:,} bytes are no annotation file")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    words = np.frombuffer(content[: len(content) // 2 * 2], "<u2").tolist()
    try:
        samples, codes = _decoded(words)
    except IndexError as error:
        raise InputError(f"{path}: ends before its last mark; fetch it again") from error
    found = np.array(samples, np.int64)
    if (np.diff(found, prepend=0) < 0).any():
        raise InputError(f"{path}: marks are out of order; fetch it again")
    return Marks(found, [SYMBOLS.get(code, str(code)) for code in codes])


def _decoded(words: list[int]) -> tuple[list[int], list[int]]:
    """Decode words up to the empty one: samples and codes of the marks.

    A word is a code of six bits and a number of ten: for marks the samples since the last one, for
    auxiliary text its bytes, which follow. A jump is followed by two words, the higher one first.
    """
    samples, codes = [], []
    place = now = 0
    while words[place]:
        code, number = divmod(words[place], 1 << 10)
        place += 1
        if code == _JUMP:
            jump = words[place] << 16 | words[place + 1]
            now += jump - (jump >> 31 << 32)
            place += 2
        elif code == _AUXILIARY:
            place += (number + 1) // 2
        elif code < _JUMP:
            now += number
            if code not in (_NOTHING, _NOTE):
                samples.append(now)
                codes.append(code)
    return samples, codes
