"""Simulated records on disk in the vendors' layouts, so that every reader can be tested."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from myocard.errors import InputError
from myocard.files.progress import Progress, silent
from myocard.files.step import step
from myocard.simulation.layouts.chapman import write_chapman
from myocard.simulation.layouts.ludb import write_ludb
from myocard.simulation.layouts.physionet import write_challenge, write_ecg_arrhythmia
from myocard.simulation.layouts.ptbxl import write_ptbxl
from myocard.simulation.simulation import Simulated, simulate
from myocard.simulation.sites import site_named

Draw = Callable[..., Simulated]

LAYOUTS: dict[str, Callable[[Path, Iterable[Draw]], None]] = {
    "ptbxl": write_ptbxl,
    "chapman": write_chapman,
    "ecg-arrhythmia": write_ecg_arrhythmia,
    "challenge": write_challenge,
    "ludb": write_ludb,
}


def write(
    out: Path,
    layout: str,
    *,
    count: int,
    seed: int = 0,
    site: str = "A",
    progress: Progress = silent,
) -> Path:
    """Write the first ``count`` records of a seed and site, 10 s each, with their labels.

    The same arguments write the same bytes.

    Args:
        out: The folder to make, by the rule of ``files/step.py``.
        layout: One of ``LAYOUTS``; it sets the sampling rates.
        count: Number of records.
        seed: Seed of patients, visits and signals.
        site: ``"A"`` or ``"B"``.
        progress: Called after each record.

    Raises:
        InputError: For a layout or site that does not exist, or when ``out`` holds other records.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; the simulator writes {', '.join(LAYOUTS)}")
    site_named(site)

    def make(folder: Path, work: Path) -> None:
        LAYOUTS[layout](folder, draws())

    def draws() -> Iterator[Draw]:
        for index in range(count):
            yield partial(simulate, seed, index, site=site)
            progress(f"simulate {out.name}", index + 1, count)

    step(out, {"layout": layout, "records": count, "seed": seed, "site": site}, make)
    return out
