"""Streams of random numbers, one for each purpose."""

from numpy.random import Generator, SeedSequence, default_rng

from myocard.errors import InputError

# New names go to the end: the position is the key, and moving one changes every record.
_NAMES = ("patient", "anatomy", "return", "visit", "rhythm", "noise")


def stream(seed: int, site: str, name: str, number: int) -> Generator:
    """Return the random numbers of one purpose for one patient or record.

    Streams are independent of each other, so that more draws from one (more beats, a higher rate,
    more records) never change another.

    Raises:
        InputError: For a negative seed or number.
    """
    if seed < 0 or number < 0:
        raise InputError(f"seed {seed} and record {number}: both count from 0")
    key = (*site.encode(), _NAMES.index(name), number)
    return default_rng(SeedSequence(seed, spawn_key=key))
