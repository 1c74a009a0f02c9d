"""The two hospitals of the simulation: their devices and their populations."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from pydantic import TypeAdapter

from myocard.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Site:
    """A device and a population.

    Attributes:
        device: Name of the electrocardiograph.
        band: Its pass band (Hz), -3 dB at either end.
        gain: Its calibration error, as a factor.
        mains: Frequency of the mains (Hz).
        hum: Median amplitude of the mains in a lead (mV).
        muscle: Median amplitude (root mean square) of muscle noise (mV).
        wander: Median amplitude (root mean square) of baseline wander before the band (mV).
        age: Mean and standard deviation of the patients' age (years).
        pace: Shape of the beta distribution of a rhythm's heart rates over their range.
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


_TABLE = files("myocard.simulation").joinpath("sites.toml").read_text("utf-8")
SITES = TypeAdapter(dict[str, Site]).validate_python(tomllib.loads(_TABLE))


def site_named(name: str) -> Site:
    """Return the site called ``name``.

    Raises:
        InputError: When there is none.
    """
    if name not in SITES:
        raise InputError(f"unknown site {name!r}; the simulator has {', '.join(SITES)}")
    return SITES[name]
