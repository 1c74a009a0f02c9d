"""Simulated records as a source in memory."""

from functools import partial
from pathlib import Path

from myocard.data.sources.entry import Entry
from myocard.record import Record
from myocard.simulation.people import visit
from myocard.simulation.simulation import simulate
from myocard.simulation.sites import site_named

_FOLDS = 10


def entries(count: int, seed: int, *, rate: float = 500.0, site: str = "A") -> list[Entry]:
    """List the first ``count`` records of a seed and site, 10 s each; reading one simulates it.

    Args:
        count: Number of records.
        seed: Seed of patients, visits and signals.
        rate: Samples per second (Hz).
        site: ``"A"`` or ``"B"``.

    Raises:
        InputError: For a site that does not exist.
    """
    device = site_named(site).device
    found = []
    for index in range(count):
        drawn = visit(seed, index, site=site)
        entry = Entry(
            id=f"{site}{index:06d}",
            path=Path("simulator"),
            read=partial(_read, seed, index, rate=rate, site=site),
            patient=f"{site}{drawn.patient}",
            fold=fold_of(drawn.patient),
            codes=tuple(f"scp:{code}" for code in drawn.findings),
            age=drawn.age,
            sex=drawn.sex,
            site=site,
            device=device,
        )
        found.append(entry)
    return found


def fold_of(patient: int) -> int:
    """Return the fold of a patient, 1 to 10: all records of one patient share it."""
    return 1 + patient % _FOLDS


def _read(seed: int, index: int, *, rate: float, site: str) -> Record:
    return simulate(seed, index, rate=rate, site=site).record
