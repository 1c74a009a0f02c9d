"""Content of a file joined with what the caller knows of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from myocard.data.formats.found import Found
from myocard.data.formats.recording import Recording
from myocard.data.formats.refusals import naming
from myocard.errors import InputError
from myocard.leads import canonical, parse_leads
from myocard.record import Facts, Record, unit_named

_SHOWN = 20


def joined(
    found: Found,
    path: Path,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
    rename: Mapping[str, str] | None = None,
) -> Recording:
    """Make a record of what a file says and what the caller knows, as ``opened`` of ``reading``."""
    with naming(path):
        names = _names(found, leads, rename or {})
        rate = _agreed_rate(found.rate, rate)
        units = _agreed_units(found, unit)
        if rate is None or names is None or units is None:
            needed = {"rate": rate, "leads": names, "unit": units}
            missing = [name for name, value in needed.items() if value is None]
            given = ", ".join(f"--{name} ({name}=…)" for name in missing)
            raise InputError(
                f"the file does not say its {', '.join(missing)}; give {given}, or in a labels.csv "
                "a column of that name"
            )
        return _recording(found, path, rate, names, units)


def parse_rename(pairs: Iterable[str]) -> dict[str, str]:
    """Read ``NAME=LEAD``, which says that a signal of this name is that lead; empty ones are none.

    Raises:
        InputError: For what is none.
    """
    found = {}
    for pair in filter(None, map(str.strip, pairs)):
        name, equals, lead = (part.strip() for part in pair.rpartition("="))
        if not (name and equals and canonical(lead)):
            raise InputError(f"rename {pair!r}: give NAME=LEAD, as MLII=II")
        found[name] = lead
    return found


def _names(
    found: Found, leads: Sequence[str] | None, rename: Mapping[str, str]
) -> tuple[str, ...] | None:
    """Return a name for each row or column, of which those of other signals are no leads.

    Names in a file that tell no lead, such as ``ch1``, leave it to the caller to say.
    """
    given = None if leads is None else parse_leads(leads)
    if found.leads is None:
        return given
    new = {name.strip().lower(): parse_leads([lead])[0] for name, lead in rename.items()}
    names = tuple(new.get(name.strip().lower(), name) for name in found.leads)
    known = tuple(map(canonical, names))
    if given is None or tuple(lead for lead in known if lead) == given:
        return names
    fits = len(given) == len(known) and all(
        lead in (None, said) for lead, said in zip(known, given, strict=True)
    )
    if not fits:
        told = f"{', '.join(names[:_SHOWN])}; {', '.join(given)} were given"
        raise InputError(f"its leads are {told}")
    return given


def _agreed_rate(found: float | None, given: float | None) -> float | None:
    if found is None or given is None:
        return given if found is None else found
    if not isclose(found, given, rel_tol=1e-6):
        raise InputError(f"its rate is {found:g} Hz, {given:g} was given")
    return found


def _agreed_units(found: Found, given: str | None) -> str | tuple[str, ...] | None:
    """Return the unit of the values, of all or of each row; the caller may name those stated."""
    if found.unit is None or given is None:
        return given if found.unit is None else found.unit
    said = (found.unit,) if isinstance(found.unit, str) else found.unit
    stated = found.stated or said
    if (unit_named(given) or given) not in {unit_named(each) or each for each in stated}:
        raise InputError(f"its unit is {', '.join(dict.fromkeys(stated))}, {given} was given")
    return found.unit


def _recording(
    found: Found, path: Path, rate: float, names: Sequence[str], units: str | tuple[str, ...]
) -> Recording:
    """Describe the twelve leads among ``names``; a file may hold other signals too."""
    signal = found.stored(len(names))
    if signal.shape[0] != len(names):
        raise InputError(f"an array of {found.signal.shape} does not fit {len(names)} leads")
    rows = [row for row, name in enumerate(names) if canonical(name)]
    if not rows:
        raise InputError(
            f"none of the twelve leads among {', '.join(map(repr, names[:_SHOWN]))}; say which "
            "they are by --rename NAME=LEAD, rename={'NAME': 'LEAD'}, or a column beside the labels"
        )
    leads = [names[row] for row in rows]
    each = [units] * len(rows) if isinstance(units, str) else [units[row] for row in rows]

    facts = _with_left_out(found.facts, [n for n in names if not canonical(n)])

    def cut(start: int, stop: int) -> Record:
        part = signal.cut(start, stop)
        chosen = part if len(rows) == len(names) else part[rows]
        with naming(path):
            record = _in_one_unit(chosen, rate, leads, each)
        return replace(record, facts=facts, start=start / rate)

    form = _in_one_unit(np.zeros((len(rows), 1)), rate, leads, each)
    about = rate, form.leads, form.unit, facts
    return Recording(signal.shape[1], *about, cut, signal.check)


def _with_left_out(facts: Facts, names: Sequence[str]) -> Facts:
    """Add the signals that are none of the twelve leads to what was assumed."""
    if not names:
        return facts
    told = f"none of the twelve leads, left out: {', '.join(map(repr, names[:_SHOWN]))}"
    return replace(facts, assumed=(*facts.assumed, told))


def _in_one_unit(
    signal: NDArray[Any], rate: float, leads: Sequence[str], units: Sequence[str]
) -> Record:
    """Make a record of rows that are in a unit each."""
    if len(set(units)) == 1:
        return Record.from_array(signal, rate, leads, units[0])
    rows = [
        Record.from_array(row[None], rate, [lead], unit)
        for row, lead, unit in zip(signal, leads, units, strict=True)
    ]
    if len({row.unit for row in rows}) > 1:
        raise InputError("some leads in millivolts and some without a unit (NU)")
    return Record.from_array(np.vstack([row.signal for row in rows]), rate, leads, rows[0].unit)
