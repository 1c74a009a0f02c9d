"""The four limb leads that many formats leave out, because two others tell them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.leads import canonical

COMPUTED = ("III", "aVR", "aVL", "aVF")


def with_limb_leads(
    signal: NDArray[Any], leads: Sequence[str]
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """Compute those of III, aVR, aVL and aVF that are missing from I and II.

    III = II - I, aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2 (Einthoven; Goldberger).

    Args:
        signal: ``(leads, samples)``.
        leads: Names of its rows.

    Returns:
        The signal, the names of its rows, and those that were computed: none without I and II.
    """
    rows = np.asarray(signal, dtype=np.float64)
    names = [canonical(name) for name in leads]
    missing = tuple(lead for lead in COMPUTED if lead not in names)
    if not missing or "I" not in names or "II" not in names:
        return rows, tuple(leads), ()
    first, second = rows[names.index("I")], rows[names.index("II")]
    computed = {
        "III": second - first,
        "aVR": -(first + second) / 2,
        "aVL": first - second / 2,
        "aVF": second - first / 2,
    }
    return np.vstack([rows, *(computed[lead] for lead in missing)]), (*leads, *missing), missing


def assumption(computed: Sequence[str]) -> tuple[str, ...]:
    """Say for ``Facts.assumed`` which leads were computed; nothing where none was."""
    if not computed:
        return ()
    *most, last = computed
    names = f"{', '.join(most)} and {last}" if most else last
    return (f"{names} computed from I and II",)
