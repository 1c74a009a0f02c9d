"""Encoders that a function of the user's own makes, named on the command line and nowhere else."""

import re
import sys
from importlib import import_module
from pathlib import Path

from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError

_FUNCTION = re.compile(r"[^\W\d][\w.]*:[^\W\d]\w*")


def names_function(text: str) -> bool:
    """Tell whether ``text`` is of the form ``package.module:function``, and no path."""
    return bool(_FUNCTION.fullmatch(text)) and not Path(text).exists()


def load_function(named: str) -> ECGEncoder:
    """Import ``package.module``, call ``function`` without arguments, and return its encoder.

    Modules are looked for where Python does, and then in the working folder.

    Args:
        named: ``package.module:function``.

    Raises:
        InputError: When it cannot be imported or called, or gives no encoder.
    """
    place, _, name = named.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        # Last, so that no file in it stands in for an installed package.
        sys.path.append(here)
    try:
        module = import_module(place)
    except Exception as error:
        raise InputError(
            f"{named}: {place} cannot be imported ({type(error).__name__}: {error}); modules are "
            f"looked for among the installed ones and in {here}"
        ) from error
    file = getattr(module, "__file__", place)
    if not hasattr(module, name):
        raise InputError(f"{named}: no {name} in {file}")
    function = getattr(module, name)
    if not callable(function):
        raise InputError(f"{named}: {name} in {file} is {function!r}; name a function")
    try:
        encoder = function()
    except Exception as error:
        raise InputError(f"{named}: {type(error).__name__}: {error}") from error
    if not isinstance(encoder, ECGEncoder):
        raise InputError(
            f"{named}: gives {type(encoder).__name__} and no encoder; return what myocard.wrap does"
        )
    return encoder
