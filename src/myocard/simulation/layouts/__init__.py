"""Simulated records on disk, as vendors lay theirs out: proof that every reader runs."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from myocard.errors import InputError
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
    folder: Path,
    layout: str,
    *,
    count: int,
    seed: int = 0,
    site: str = "A",
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write the first ``count`` records of a seed and site, 10 s each, with their labels.

    The same arguments write the same bytes.

    Args:
        folder: Where to; made if missing.
        layout: One of ``LAYOUTS``; it sets the sampling rates.
        count: Number of records.
        seed: Number of the world.
        site: ``"A"`` or ``"B"``.
        progress: Called with the number of records done, after each.

    Raises:
        InputError: For a layout or site that does not exist.
    """
    if layout not in LAYOUTS:
        raise InputError(f"unknown layout {layout!r}; the simulator writes {', '.join(LAYOUTS)}")
    site_named(site)
    folder.mkdir(parents=True, exist_ok=True)
    draws = (partial(simulate, seed, index, site=site) for index in range(count))
    LAYOUTS[layout](folder, _counted(draws, progress))


def _counted(draws: Iterable[Draw], progress: Callable[[int], None] | None) -> Iterator[Draw]:
    """``draws``, telling after each how many were used up."""
    for done, draw in enumerate(draws, start=1):
        yield draw
        if progress is not None:
            progress(done)
