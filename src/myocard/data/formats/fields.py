"""Values in the fields of hospital formats, taken only where they are certain."""

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[-+]?[0-9]{1,9}")
_OF_NUMBERS = b"0123456789- \t\r\n"
_MINUS, _ZERO, _NINE = b"-09"
_MOST_MILLIVOLTS = 1e6
_PER_MILLIVOLT = {"nv": 1e6, "uv": 1e3, "µv": 1e3, "μv": 1e3, "mv": 1.0, "v": 1e-3}
_PER_MILLIVOLT |= {"nanovolts": 1e6, "microvolts": 1e3, "millivolts": 1.0, "volts": 1e-3}


def number(text: str, field: str) -> float:
    """Read a finite decimal number.

    Raises:
        InputError: For anything else; the message names the field.
    """
    text = text.strip()
    if not _is_number(text):
        raise InputError(f"{field} is {_shown(text)}, not a number; export the file again")
    return float(text)


def whole(text: str, field: str) -> int:
    """Read an integer, as ``number`` does."""
    text = text.strip()
    if _WHOLE.fullmatch(text) is None:
        raise InputError(f"{field} is {_shown(text)}, not a whole number; export the file again")
    return int(text)


def numbers_among(texts: Mapping[str, str]) -> dict[str, float]:
    """Return those of measurements that are numbers; devices write words where they found none."""
    return {name: float(text) for name, text in texts.items() if _is_number(text.strip())}


def millivolts(value: float, unit: str) -> float:
    """Convert from ``unit``, such as uV or MICROVOLTS.

    Raises:
        InputError: For an unknown unit.
    """
    divisor = _PER_MILLIVOLT.get(unit.strip().lower())
    if divisor is None:
        raise InputError(f"unknown unit {_shown(unit)}; known are nV, uV, mV and V")
    if abs(value / divisor) > _MOST_MILLIVOLTS:
        raise InputError(f"{value:g} {unit} is beyond any electrode; export the file again")
    return value / divisor


def check_stated(stated: str, found: int, field: str) -> None:
    """Refuse a file that states another count than it holds; it may state none."""
    if stated and whole(stated, field) != found:
        raise InputError(f"{field} says {stated.strip()}, {found} are there; export the file again")


def base64_bytes(text: str, field: str) -> bytes:
    """Decode base64 with line breaks.

    Raises:
        InputError: For other characters, or when it is cut off.
    """
    try:
        return b64decode("".join(text.split()), validate=True)
    # Characters beyond ASCII are a ValueError.
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{field} is not base64 ({error}); export the file again") from error


def integers(text: str, field: str, separator: str = " ") -> NDArray[np.int64]:
    """Read whole numbers of 32 bits, separated by white space, or by commas with a last one or not.

    Raises:
        InputError: When one is not a whole number, or none is there.
    """
    content = text.strip().removesuffix(separator).encode()
    commas = content.count(b",") if separator == "," else 0
    content = content.replace(b",", b" ") if commas else content
    # NumPy reads a lone minus as 0 and numbers that touch as two, so signs are looked at first.
    if not content or content.translate(None, _OF_NUMBERS) or _has_stray_sign(content):
        raise InputError(f"{field} holds samples that are no whole numbers; export the file again")
    values = np.fromstring(content, dtype=np.int64, sep=" ")
    if commas and values.size != commas + 1:
        raise InputError(f"{field} has {values.size} numbers between {commas} commas")
    # NumPy takes longer numbers for the nearest of 64 bits.
    if values.max() >= 1 << 31 or values.min() < -(1 << 31):
        raise InputError(f"{field} holds a number beyond 32 bits; export the file again")
    return values


def _has_stray_sign(content: bytes) -> bool:
    """Tell whether a minus follows a digit or another minus, or none follows it."""
    codes = np.frombuffer(content, np.uint8)
    signs = np.flatnonzero(codes == _MINUS)
    if not signs.size:
        return False
    before, after = codes[np.maximum(signs - 1, 0)], codes[np.minimum(signs + 1, codes.size - 1)]
    touched = (before > ord(" ")) & (signs > 0)
    return bool(touched.any() or (after < _ZERO).any() or (after > _NINE).any())


def _is_number(text: str) -> bool:
    return _NUMBER.fullmatch(text) is not None and math.isfinite(float(text))


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
