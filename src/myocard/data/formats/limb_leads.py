"""The four limb leads that many formats leave out, because two others tell them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.leads import canonical, limb_leads


def with_limb_leads(
    signal: NDArray[Any], leads: Sequence[str]
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """Compute those of III, aVR, aVL and aVF that are missing, from I and II.

    Args:
        signal: ``(leads, samples)``.
        leads: Names of its rows.

    Returns:
        The signal, the names of its rows, and those that were computed: none without I and II.
    """
    rows = np.asarray(signal, dtype=np.float64)
    names = [canonical(name) for name in leads]
    if "I" not in names or "II" not in names:
        return rows, tuple(leads), ()
    computed = limb_leads(rows[names.index("I")], rows[names.index("II")])
    missing = tuple(lead for lead in computed if lead not in names)
    return (
        np.vstack([rows, *(computed[lead][None] for lead in missing)]),
        (*leads, *missing),
        missing,
    )
