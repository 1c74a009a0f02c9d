"""One ECG in memory."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from myocard.errors import InputError
from myocard.leads import parse_leads

FASTEST = 1e6
"""Most samples per second of an ECG (Hz)."""

# NU ("no unit") marks signals that were standardised before they reached us: they carry shape but
# no voltage, and stay as they are.
MILLIVOLTS = {"mV": 1.0, "uV": 1e-3, "V": 1e3, "NU": 1.0}
"""Millivolts in each unit."""
_UNITS = {name.lower(): name for name in MILLIVOLTS} | {"\u00b5v": "uV", "\u03bcv": "uV"}
_UNITS |= {"millivolt": "mV", "microvolt": "uV", "volt": "V"}


@lru_cache
def unit_named(name: str) -> str | None:
    """Return the spelling of a unit in ``MILLIVOLTS``, from any case; None where it is none."""
    lower = name.strip().lower()
    return _UNITS.get(lower) or _UNITS.get(lower.removesuffix("s"))


def parse_unit(name: str) -> str:
    """Return the spelling of a unit in ``MILLIVOLTS``, from any case.

    Raises:
        InputError: When it is none.
    """
    named = unit_named(name) if isinstance(name, str) else None
    if named is None:
        raise InputError(f"unknown unit {name!r}; the units are mV, uV, V and NU")
    return named


@dataclass(frozen=True)
class Facts:
    """Statements of a file about its patient and its recording.

    Attributes:
        patient: Number of the patient; it is among the identifiers, too.
        age: In years, as an age field says it; never computed from dates.
        sex: ``"F"``, ``"M"`` or None.
        device: Maker and model of the recorder.
        date: Date and time of the recording, as in ISO 8601.
        statements: Interpretation, a statement each.
        measurements: By name and unit, such as ``pr_ms``, ``qrs_ms``, ``qt_ms``, ``rate_bpm``,
            ``p_axis_deg``.
        identifiers: Names, numbers and dates that could tell who the patient is, by field.
        assumed: What was computed or taken for granted, a sentence each.
    """

    patient: str | None = field(default=None, repr=False)
    age: float | None = None
    sex: str | None = None
    device: str | None = None
    date: str | None = None
    statements: tuple[str, ...] = ()
    measurements: Mapping[str, float] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Record:
    """One ECG: named leads sampled together.

    Attributes:
        signal: ``(leads, samples)``, float32, in ``unit``.
        rate: Samples per second (Hz).
        leads: Canonical names of the rows of ``signal``, in their order.
        unit: ``"mV"``, or ``"NU"`` for a signal that was standardised and has no voltage any more.
        facts: Statements of its file.
        start: Seconds of its recording before its first sample.
    """

    signal: NDArray[np.float32]
    rate: float
    leads: tuple[str, ...]
    unit: str = "mV"
    facts: Facts = Facts()
    start: float = 0.0

    def __post_init__(self) -> None:
        if not (isinstance(self.rate, Real) and 1 <= self.rate <= FASTEST):
            raise InputError(f"a rate of {self.rate!r} Hz; give the samples per second")

    @classmethod
    def from_array(
        cls, signal: ArrayLike, rate: float, leads: Sequence[str], unit: str
    ) -> "Record":
        """Check an array at the border and convert it to millivolts.

        Args:
            signal: ``(leads, samples)`` in ``unit``.
            rate: Samples per second (Hz).
            leads: A name for each row, in any case and order.
            unit: ``mV``, ``uV`` (or ``µV``), ``V`` or ``NU``, in any case.

        Raises:
            InputError: For a wrong shape, rate, unit or lead name. Values are not judged here: NaN
                and flat leads are findings about a record, which ``preparation`` reports.
        """
        if np.ma.is_masked(signal):
            raise InputError("a signal with masked values; give NaN, or records without them")
        array, names = np.asarray(signal), parse_leads(leads)
        if array.dtype.kind not in "biuf":
            raise InputError(f"a signal of {array.dtype}; give real numbers")
        if array.ndim != 2 or array.shape[0] != len(names) or array.size == 0:
            raise InputError(
                f"a signal of shape {array.shape} does not fit {len(names)} leads; "
                "give (leads, samples)"
            )
        named = parse_unit(unit)
        factor = MILLIVOLTS[named]
        try:
            with np.errstate(over="raise"):
                scaled = (array if factor == 1 else array * factor).astype(np.float32)
        except FloatingPointError as error:
            raise InputError(f"values beyond 1e38 {unit}; correct its scale") from error
        return cls(scaled, rate, names, "NU" if named == "NU" else "mV")

    @property
    def seconds(self) -> float:
        return self.signal.shape[1] / self.rate

    @property
    def not_finite(self) -> tuple[str, ...]:
        """Leads that hold a NaN or an infinity."""
        least, most = self._extremes
        return self._leads(~(np.isfinite(least) & np.isfinite(most)))

    @property
    def flat(self) -> tuple[str, ...]:
        """Leads that are constant."""
        least, most = self._extremes
        return self._leads(least == most)

    @cached_property
    def _extremes(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Minimum and maximum of each lead; both are NaN where a sample is."""
        return self.signal.min(axis=1), self.signal.max(axis=1)

    def _leads(self, which: NDArray[np.bool_]) -> tuple[str, ...]:
        return tuple(lead for lead, chosen in zip(self.leads, which, strict=True) if chosen)

    @property
    def sha256(self) -> str:
        """Hash of the waveform: its leads, rate and values rounded to float32, and nothing else."""
        digest = hashlib.sha256(f"{','.join(self.leads)}@{self.rate:g}".encode())
        digest.update(np.ascontiguousarray(self.signal, dtype="<f4").data)
        return digest.hexdigest()

    def select(self, leads: Sequence[str]) -> "Record":
        """Return the same record with ``leads`` only, in that order.

        Raises:
            InputError: When a lead is missing.
        """
        leads = parse_leads(leads)
        if leads == self.leads:
            return self
        missing = ", ".join(lead for lead in leads if lead not in self.leads)
        if missing:
            raise InputError(f"the record has no lead {missing}; it has {', '.join(self.leads)}")
        rows = [self.leads.index(lead) for lead in leads]
        return replace(self, signal=self.signal[rows], leads=leads)
