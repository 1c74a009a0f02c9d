"""Leads and electrodes that were exchanged: found and named, and left as they are.

Limb leads are sums of two of them (Einthoven, Goldberger). Leads that were exchanged or inverted in
a file break that; electrodes that were exchanged on the body do not. But a heart is nearly one
dipole, so that the leads of all hearts covary much alike, and a record whose leads covary as usual
only once two electrodes change places is one to look at.

The measure is a likelihood. If changes of the leads are Gaussian with covariance C, up to a size of
each record's own, then those of a record, whose covariance is S, have -n/2 log tr(C⁻¹ S) + const.
Other electrodes make T S Tᵀ of S, with a T of determinant ±1. Kors and van Herpen (2001, Am J
Cardiol 88:396) compare leads with their reconstructions to the same end.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from myocard.leads import LEADS, limb_leads

Samples = NDArray[np.float32]
Leads = tuple[str, ...]
Matrix = NDArray[np.float64]

INDEPENDENT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
ELECTRODES = ("RA", "LA", "LL", "V1", "V2", "V3", "V4", "V5", "V6")
_LIMB, _CHEST = LEADS[:6], LEADS[6:]

# Electrocardiographs store steps of at most 5 µV (IEC 60601-2-25), and leads that were cut off
# instead of rounded disagree by up to two; twice that, for those that were resampled apart.
TOLERANCE = 0.02  # mV
_STEPS = 2  # where they are coarser

# Leads that are not what they are called disagree all the time; QRS alone takes 8 % of a beat.
# Spikes of a recorder are shorter (PTB-XL's record 162: 9 samples of 1,000).
BROKEN_SHARE = 0.05

# Gains of 99 % of good records are below the first, and inversions of 99.5 % below the second, in
# the half of the real records at hand of which COVARIANCE is (docs/experiments/quality.py).
LEAST_GAIN = 0.77
LEAST_INVERSION = 0.5

# Covariance of INDEPENDENT's changes within 40 ms: mean of records, each scaled to a trace of 1.
COVARIANCE: Matrix = np.array(
    [
        [0.0648, 0.0405, -0.0486, -0.0160, 0.0239, 0.0594, 0.0709, 0.0630],
        [0.0405, 0.0615, -0.0385, -0.0184, 0.0341, 0.0725, 0.0786, 0.0671],
        [-0.0486, -0.0385, 0.0873, 0.0874, 0.0347, -0.0243, -0.0538, -0.0569],
        [-0.0160, -0.0184, 0.0874, 0.1780, 0.1205, 0.0464, -0.0048, -0.0267],
        [0.0239, 0.0341, 0.0347, 0.1205, 0.1726, 0.1292, 0.0754, 0.0398],
        [0.0594, 0.0725, -0.0243, 0.0464, 0.1292, 0.1746, 0.1418, 0.1010],
        [0.0709, 0.0786, -0.0538, -0.0048, 0.0754, 0.1418, 0.1535, 0.1187],
        [0.0630, 0.0671, -0.0569, -0.0267, 0.0398, 0.1010, 0.1187, 0.1077],
    ]
)

_FOLLOWS = {
    "RA and LA were exchanged": "I is inverted, II is III, aVR is aVL; or dextrocardia",
    "RA and LL were exchanged": "II is inverted, I is III inverted, aVR is aVF",
    "LA and LL were exchanged": "III is inverted, I is II, aVL is aVF",
}
# To the left and the feet, where nearly all hearts point: less aVR, and some V5 and V6.
_MAIN: Samples = np.array([0.5, 0.5, 0, 0, 0, 0, 0.3, 0.3], np.float32)


def exchanged_leads(values: Samples, leads: Leads) -> str | None:
    """Tell which limb leads are not the sums that they should be, and what would explain that.

    Args:
        values: ``(leads, samples)`` from all over the record (mV).
        leads: Names of its rows.

    Returns:
        None where all that can be checked fits.
    """
    if not _broken(values, leads, TOLERANCE):
        return None
    tolerance = max(TOLERANCE, _STEPS * _step(values, leads))
    broken = _broken(values, leads, tolerance)
    if not broken:
        return None
    found = [
        told
        for told, exchange in _lead_exchanges(leads)
        if not _broken(exchange @ values, leads, tolerance)
    ]
    cause = f"as if {' or '.join(found)}" if found else "no exchange of two leads explains it"
    return f"{', '.join(broken)} not the sum of I and II that it is; {cause}"


def _broken(values: Samples, leads: Leads, tolerance: float) -> list[str]:
    """Name the limb leads that are not what I and II make them."""
    names, differences = _laws(leads)
    off = np.abs(differences @ values) > tolerance
    if not off.any():
        return []
    counts = np.count_nonzero(off, axis=1)
    return [name for name, n in zip(names, counts, strict=True) if n > BROKEN_SHARE * off.shape[1]]


@lru_cache(maxsize=64)
def _laws(leads: Leads) -> tuple[Leads, Samples]:
    """Return names of limb leads, and ``(names, leads)`` sums that are zero, one for each."""
    rows = dict(zip(leads, np.eye(len(leads), dtype=np.float32), strict=True))
    known = "I" in rows and "II" in rows
    sums = limb_leads(rows["I"], rows["II"]) if known else {}
    names = tuple(name for name in sums if name in rows)
    zero = [rows[name] - sums[name] for name in names]
    return names, np.array(zero, np.float32).reshape(len(names), len(leads))


def _step(values: Samples, leads: Leads) -> float:
    """Return the least difference between two values of a limb lead, in the lead of the largest."""
    exact = [row for lead, row in zip(leads, values.astype(float), strict=True) if lead in _LIMB]
    # Values that a float32 tells apart by rounding alone are one.
    values_of = [np.unique(np.round(row, 5)) for row in exact]
    return max((float(np.diff(each).min()) for each in values_of if len(each) > 1), default=0.0)


def _lead_exchanges(leads: Leads) -> Iterator[tuple[str, Samples]]:
    """Exchange each two leads of which one is a limb lead, and invert each limb lead."""
    same = np.eye(len(leads), dtype=np.float32)
    for one, other in combinations(range(len(leads)), 2):
        if {leads[one], leads[other]} & set(_LIMB):
            order = np.arange(len(leads))
            order[[one, other]] = other, one
            yield f"{leads[one]} and {leads[other]} were exchanged", same[order]
    for place, lead in enumerate(leads):
        if lead in _LIMB:
            yield f"{lead} were inverted", same - 2 * np.outer(same[place], same[place])


def exchanged_electrodes(values: Samples, changes: Samples) -> str | None:
    """Tell which electrodes seem to be exchanged, or which leads inverted.

    Args:
        values: ``(8, samples)`` of ``INDEPENDENT`` (mV), from all over the record.
        changes: ``(8, samples)`` changes within 40 ms of there.
    """
    gains = gains_of(spread(changes))
    best = int(gains.argmax())
    if gains[best] > LEAST_GAIN:
        told = tuple(exchanges())[best]
        return f"as if {told}" + (f" ({_FOLLOWS[told]})" if told in _FOLLOWS else "")
    if inversion(values) > LEAST_INVERSION:
        return (
            "I, II, V5 and V6 together point down, as if all leads were inverted; or the "
            "patient's: left axis, bundle branch block"
        )
    return None


def spread(changes: Samples) -> Matrix:
    """Return the ``(8, 8)`` covariance of ``INDEPENDENT``, up to a factor."""
    exact = changes.astype(np.float64)
    return exact @ exact.T


def gains_of(covariance: Matrix) -> Matrix:
    """Return by how much each of ``exchanges`` raises the log-likelihood, for each two changes."""
    traces = _forms() @ covariance.ravel()
    return np.log(traces[0] / traces[1:])


def inversion(values: Samples) -> float:
    """Return how much further up than down a heart's main direction is left: from -1 to 1."""
    ordered = np.sort(_MAIN @ values)
    edge, middle = len(ordered) // 100, ordered[len(ordered) // 2]
    up, down = ordered[-1 - edge] - middle, middle - ordered[edge]
    return float((down - up) / (down + up)) if down + up > 0 else 0.0


@lru_cache(maxsize=1)
def exchanges() -> Mapping[str, Matrix]:
    """Return the ``(8, 8)`` matrices that two exchanged electrodes, or one inverted lead, make.

    Leads are differences: I and II from RA, the chest leads from the mean of RA, LA and LL.
    """
    potentials = np.eye(9, 8, k=-1)
    potentials[3:, :2] = 1 / 3
    differences = np.eye(8, 9, k=1)
    differences[:2, 0] = -1
    differences[2:, :3] = -1 / 3
    found = {}
    for one, other in combinations(range(9), 2):
        order = np.arange(9)
        order[[one, other]] = other, one
        told = f"{ELECTRODES[one]} and {ELECTRODES[other]} were exchanged"
        found[told] = differences @ potentials[order]
    for row, lead in enumerate(_CHEST, start=2):
        found[f"{lead} were inverted"] = np.diag(np.where(np.arange(8) == row, -1.0, 1.0))
    return found


@lru_cache(maxsize=1)
def _forms() -> Matrix:
    """Return the ``(1 + exchanges, 64)`` quadratic forms of the usual order and of each other."""
    usual = np.linalg.inv(COVARIANCE)
    orders = (np.eye(8), *exchanges().values())
    return np.stack([(order.T @ usual @ order).ravel() for order in orders])
