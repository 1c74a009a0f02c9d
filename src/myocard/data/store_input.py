"""Settings with which the signals of a store were made, and what they lack for an encoder."""

from dataclasses import dataclass

from myocard.data.signal import Band, Preprocessing, resampled_length
from myocard.data.steps import Resample, Window


@dataclass(frozen=True)
class StoreInput:
    """Settings with which the signals of a store were made.

    Attributes:
        rate: Samples per second (Hz).
        samples: Samples a record.
        leads: Rows of a record.
        band: The filter that was run over each whole record.
        unit: ``mV``, or ``NU`` for signals without a voltage.
    """

    rate: int
    samples: int
    leads: tuple[str, ...]
    band: Band
    unit: str = "mV"

    def lacks(self, wanted: Preprocessing, standardised: str | None) -> list[str]:
        """Tell in words all that keeps an encoder from being fed with such signals.

        Raw records, neither filtered nor standardised, serve every encoder: one that states steps
        at any rate, another at its own rate or a higher one.

        Args:
            wanted: The encoder's input.
            standardised: What was z-scored while preparing, ``record`` or ``lead``; None for
                nothing.
        """
        raw = not self.band.cutoffs and standardised is None
        if wanted.steps or (raw and self.rate >= wanted.rate and not self.fits(wanted)):
            differences = self._lacks_of_raw(wanted, standardised)
        else:
            differences = self._lacks(wanted, standardised)
        missing = self.lacks_leads(wanted)
        return [*differences, missing] if missing else differences

    def lacks_leads(self, wanted: Preprocessing) -> str:
        """Tell in words which leads are missing; empty for none."""
        missing = [lead for lead in wanted.leads if lead not in self.leads]
        return f"leads {', '.join(missing)} are missing" if missing else ""

    def fits(self, wanted: Preprocessing) -> bool:
        """Tell whether windows of the signals as they are stored are what an encoder expects."""
        return not wanted.steps and (self.rate, self.band) == (wanted.rate, wanted.band)

    def start_of(self, wanted: Preprocessing) -> float:
        """Return the second of a record at which the middle window of an encoder starts."""
        rate, samples = self.rate, self.samples
        if not wanted.steps:
            spare = resampled_length(samples, rate, wanted.rate) - wanted.samples
            return spare // 2 / wanted.rate
        start = 0.0
        for step in wanted.steps:
            if isinstance(step, Resample):
                samples, rate = int(samples * step.rate / rate), step.rate
            if isinstance(step, Window):
                first = max(samples - step.samples, 0) // 2 if step.start is None else step.start
                start += first / rate
                samples = step.samples
        return start

    def _lacks(self, wanted: Preprocessing, standardised: str | None) -> list[str]:
        differences = []
        if self.rate != wanted.rate:
            differences.append(f"the rate is {self.rate} Hz, not {wanted.rate} Hz")
        if self.band != wanted.band:
            differences.append(f"the filter is {self.band}, not {wanted.band}")
        if self.samples < wanted.samples:
            differences.append(f"records have {self.samples} samples, not {wanted.samples} or more")
        if standardised == "lead" and wanted.standardise == "record":
            differences.append("leads were standardised one by one, not together")
        return differences

    def _lacks_of_raw(self, wanted: Preprocessing, standardised: str | None) -> list[str]:
        differences, seconds = [], self.samples / self.rate
        if self.band.cutoffs:
            differences.append(f"the filter is {self.band}, not none")
        if standardised is not None:
            differences.append(f"every {standardised} was standardised")
        if wanted.needs_voltage and self.unit == "NU":
            differences.append("signals have no voltage")
        if seconds < wanted.least_seconds:
            differences.append(f"records last {seconds:g} s, not {wanted.least_seconds:g} s")
        return differences
