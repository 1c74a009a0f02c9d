"""Lead names, their canonical order, and the algebra of the limb leads.

With one electrode each on right arm, left arm and left leg, the six limb leads span two dimensions:
Einthoven's I + III = II, and Goldberger's augmented leads as half-differences of the standard ones.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from myocard.errors import InputError

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")

LEAD_SETS = {
    "12": LEADS,
    "limb-6": LEADS[:6],
    "I-II-V2": ("I", "II", "V2"),
    "II": ("II",),
    "I": ("I",),
}
"""Leads of devices: in hospital, from four electrodes, with one chest lead, a patch, a watch."""

_BY_LOWER_CASE = {name.lower(): name for name in LEADS}
# CODE and other Brazilian exports name the standard leads after the Portuguese "derivação".
_BY_LOWER_CASE |= {"di": "I", "dii": "II", "diii": "III"}

# Words before a lead's name, as converters write them: "MDC_ECG_LEAD_I", "Lead I", "ECG I".
# A minus, as in Cabrera's -aVR, is no part of them.
_BEFORE = re.compile(r"^(?:(?:mdc|ecg|ekg|lead|ableitung)[\s_:]+)+")

# Rows: III, aVR, aVL, aVF. Columns: I, II.
_FROM_I_AND_II = {"III": (-1.0, 1.0), "aVR": (-0.5, -0.5), "aVL": (1.0, -0.5), "aVF": (-0.5, 1.0)}


@lru_cache(maxsize=1024)
def canonical(name: str) -> str | None:
    """Return the canonical spelling of a lead's name; None if not of the twelve.

    The name may be in any case, and have words such as "Lead" or "ECG" before it.
    """
    return _BY_LOWER_CASE.get(_BEFORE.sub("", name.strip().lower()))


def parse_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Return canonical names of ``names``, in their order.

    Raises:
        InputError: For a name that is not one of the twelve, or one given twice, or a text.
    """
    if isinstance(names, str):
        raise InputError(f"leads {names!r} are a text; give a list, as [{names!r}]")
    found = tuple(canonical(name) for name in names)
    unknown = [name for name, lead in zip(names, found, strict=True) if lead is None]
    if unknown:
        names_found = ", ".join(map(repr, unknown))
        raise InputError(f"unknown lead {names_found}; the leads are {', '.join(LEADS)}")
    if len(set(found)) < len(found):
        raise InputError(f"a lead is named twice in {', '.join(names)}")
    return tuple(lead for lead in found if lead is not None)


def limb_leads(
    lead_i: NDArray[np.floating], lead_ii: NDArray[np.floating]
) -> dict[str, NDArray[np.floating]]:
    """Return III, aVR, aVL and aVF (each like ``lead_i``) from leads I and II."""
    return {name: a * lead_i + b * lead_ii for name, (a, b) in _FROM_I_AND_II.items()}
