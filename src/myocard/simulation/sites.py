"""The two hospitals of the simulation: what they record with, and whom they see."""

from collections.abc import Mapping
from dataclasses import dataclass

from myocard.errors import InputError


@dataclass(frozen=True)
class Site:
    """A device and a population.

    Attributes:
        device: Name of the electrocardiograph.
        band: Its pass band (Hz), -3 dB at either end.
        gain: Its calibration error, as a factor.
        mains: Frequency of the mains (Hz).
        hum: Median amplitude of what the mains leave in a lead (mV).
        muscle: Median amplitude (root mean square) of muscle noise (mV).
        wander: Median amplitude (root mean square) of baseline wander before the band (mV).
        age: Mean and standard deviation of the patients' age (years).
        pace: Shape of the beta law by which a rhythm's heart rates fill their range.
        rhythms: Chance of each rhythm; they sum to one.
        conditions: Chance of each condition, among patients in whom it is possible.
    """

    device: str
    band: tuple[float, float]
    gain: float
    mains: float
    hum: float
    muscle: float
    wander: float
    age: tuple[float, float]
    pace: tuple[float, float]
    rhythms: Mapping[str, float]
    conditions: Mapping[str, float]


SITES = {
    "A": Site(
        device="SIM-1",
        band=(0.05, 150.0),
        gain=1.0,
        mains=50.0,
        hum=0.004,
        muscle=0.012,
        wander=0.05,
        age=(58.0, 15.0),
        pace=(2.0, 2.5),
        rhythms={"SR": 0.5, "SBRAD": 0.1, "STACH": 0.1, "SARRH": 0.1, "AFIB": 0.13, "AFLT": 0.07},
        conditions={
            "CLBBB": 0.07,
            "CRBBB": 0.08,
            "AMI": 0.09,
            "IMI": 0.10,
            "LVH": 0.14,
            "LVOLT": 0.08,
            "1AVB": 0.09,
            "LNGQT": 0.08,
            "PVC": 0.09,
            "PAC": 0.09,
        },
    ),
    "B": Site(
        device="SIM-2",
        band=(0.5, 40.0),
        gain=0.9,
        mains=60.0,
        hum=0.01,
        muscle=0.025,
        wander=0.12,
        age=(67.0, 12.0),
        pace=(2.5, 2.0),
        rhythms={
            "SR": 0.4,
            "SBRAD": 0.08,
            "STACH": 0.15,
            "SARRH": 0.06,
            "AFIB": 0.22,
            "AFLT": 0.09,
        },
        conditions={
            "CLBBB": 0.10,
            "CRBBB": 0.11,
            "AMI": 0.12,
            "IMI": 0.12,
            "LVH": 0.20,
            "LVOLT": 0.10,
            "1AVB": 0.14,
            "LNGQT": 0.08,
            "PVC": 0.15,
            "PAC": 0.12,
        },
    ),
}


def site_named(name: str) -> Site:
    """The site called ``name``.

    Raises:
        InputError: When there is none.
    """
    if name not in SITES:
        raise InputError(f"unknown site {name!r}; the simulator has {', '.join(SITES)}")
    return SITES[name]
