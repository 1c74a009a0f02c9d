"""Simulated records as a source in memory."""

from functools import partial
from pathlib import Path

from myocard.data.sources.entry import Entry
from myocard.record import Record
from myocard.simulation.people import visit
from myocard.simulation.simulation import simulate
from myocard.simulation.sites import site_named

FOLDS = 10


def entries(
    count: int, seed: int, *, rate: float = 500.0, seconds: float = 10.0, site: str = "A"
) -> list[Entry]:
    """The first ``count`` records of a seed and site; signals are made when they are read.

    Args:
        count: Number of records.
        seed: Number of the world.
        rate: Samples per second (Hz).
        seconds: Length of a record.
        site: ``"A"`` or ``"B"``.

    Raises:
        InputError: For a site that does not exist.
    """
    device = site_named(site).device
    found = []
    for index in range(count):
        who = visit(seed, index, site=site)
        found.append(
            Entry(
                id=f"{site}{index:06d}",
                path=Path("simulator"),
                read=partial(_read, seed, index, rate=rate, seconds=seconds, site=site),
                patient=f"{site}{who.patient}",
                fold=fold_of(who.patient),
                codes=tuple(f"scp:{code}" for code in who.findings),
                age=who.age,
                sex=who.sex,
                site=site,
                device=device,
            )
        )
    return found


def fold_of(patient: int) -> int:
    """Fold of a patient, 1 to 10: all records of one patient share it."""
    return 1 + patient % FOLDS


def _read(seed: int, index: int, *, rate: float, seconds: float, site: str) -> Record:
    return simulate(seed, index, rate=rate, seconds=seconds, site=site).record
