"""Signals to write: whole numbers, as devices store them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from myocard.data.formats.found import Found, Stored
from myocard.leads import LEADS

Counts = Mapping[str, NDArray[np.int64]]
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")


def counts(
    leads: Sequence[str] = LEADS, samples: int = 40, seed: int = 0, most: int = 999
) -> Counts:
    """Random numbers from ``-most`` to ``most`` for each lead."""
    values = np.random.default_rng(seed).integers(-most, most + 1, (len(leads), samples))
    return dict(zip(leads, values, strict=True))


def random_counts(leads: Sequence[str], most: int = 32767) -> st.SearchStrategy[Counts]:
    """Signals of two samples and more, up to ``most``."""
    return st.builds(
        counts,
        st.just(leads),
        st.integers(2, 60),
        st.integers(0, 2**32 - 1),
        st.sampled_from((1, 80, most)),
    )


def whole(found: Found) -> NDArray[Any]:
    """All samples that a reader found."""
    signal = found.signal
    return signal.cut(0, signal.shape[1]) if isinstance(signal, Stored) else signal
