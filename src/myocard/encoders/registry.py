"""Models that are known by name: a file of this folder each, and what packages add.

A package adds to the entry points of the group ``myocard.encoders`` a ``Family``, or a function
without arguments that returns an encoder, which is then opened by the entry point's name.
"""

import logging
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from myocard.encoders.files import read_content
from myocard.encoders.protocol import ECGEncoder
from myocard.encoders.published import Card, Family, PublishedEncoder, encoder_of
from myocard.errors import InputError

LOG = logging.getLogger(__name__)
GROUP = "myocard.encoders"
_MODULES = (
    "st_mem",
    "ecgfounder",
    "ecg_fm",
    "hubert_ecg",
    "ecg_jepa_kim",
    "merl",
    "ecg_jepa_weimann",
    "ecg_cpc",
    "openecg",
)


@cache
def families() -> tuple[Family, ...]:
    """Return every known family; those of packages last."""
    own = [import_module(f"{__package__}.{name}").FAMILY for name in _MODULES]
    return (*own, *(each for each in _added().values() if isinstance(each, Family)))


def cards() -> dict[str, Card]:
    """Return the cards of all known models by name."""
    return {card.name: card for family in families() for card in family.cards}


def open_published(path: Path, name: str | None = None) -> PublishedEncoder:
    """Open a published checkpoint.

    Args:
        path: A file or folder, as ``read_content`` takes it.
        name: Name of the encoder in tables; its card's if not given.

    Raises:
        InputError: When it cannot be read, or is of no known family or of several.
    """
    content = read_content(path)
    try:
        found = [family for family in families() if family.recognises(content)]
        if len(found) != 1:
            fits = [card.name for family in found for card in family.cards]
            what = f"may be any of {', '.join(fits)}" if fits else "is of no known model"
            raise InputError(f"{path}: {what}; known are {', '.join(cards())}")
        opened = found[0].open(content, path)
    except InputError:
        raise
    # A file can hold anything under the names that a family looks for.
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{path}: not a whole checkpoint ({what}); fetch it again") from error
    return encoder_of(opened, name or opened.card.name)


def added_encoder(name: str) -> ECGEncoder | None:
    """Make the encoder that a package adds under this name; None where there is none.

    Raises:
        InputError: When the package's function returns something else.
    """
    make = _added().get(name)
    if make is None or isinstance(make, Family):
        return None
    encoder = make()
    if not isinstance(encoder, ECGEncoder):
        raise InputError(f"{name}: its package returns {type(encoder).__name__}, not an encoder")
    return encoder


@cache
def tell_licence(card: Card) -> None:
    """Tell the licence of a model's code and weights, once in a process."""
    use = {
        True: "commercial use is allowed",
        False: "not for commercial use",
        None: "whether commercial use is allowed is not stated",
    }
    LOG.warning(
        "%s: code %s, weights %s: %s",
        *(card.title, card.code_licence, card.weights_licence, use[card.commercial]),
    )


@cache
def _added() -> dict[str, Any]:
    found = {}
    for point in entry_points(group=GROUP):
        try:
            found[point.name] = point.load()
        except Exception as error:
            what = f"{type(error).__name__}: {error}"
            raise InputError(
                f"encoder {point.name} of the installed {point.value} cannot be loaded ({what}); "
                "mend or remove its package"
            ) from error
    return found
