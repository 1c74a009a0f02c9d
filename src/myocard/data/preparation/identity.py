"""Facts of a record's file beside those of its source, and what of them could tell who it is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from myocard.data.cells import is_nothing
from myocard.data.cells import patient as patient_named
from myocard.data.pseudonyms import identifiers_of, is_blanked, names_someone, pseudonym, read_salt
from myocard.data.sources.entry import Entry
from myocard.errors import InputError
from myocard.record import Facts

_OLDER = 1.0
"""Years by which two ages of one recording may differ."""


@dataclass(frozen=True)
class Policy:
    """Rule on what may tell who a patient is: left out, replaced or kept.

    Attributes:
        salt: Key of the pseudonyms of patients whom only their files name; None before
            ``with_salt_for``, and where there are none.
        keep_identifiers: Keep names, numbers and birth dates as the files write them.
    """

    salt: str | None = field(default=None, repr=False)
    keep_identifiers: bool = False

    def with_salt_for(self, entries: Sequence[Entry]) -> "Policy":
        """Return the same rule with a salt where ``entries`` need one: by default the user's.

        Raises:
            InputError: When a salt was given that would serve nothing.
        """
        if not self.keep_identifiers and not names_patients(entries):
            return self if self.salt is not None else replace(self, salt=read_salt())
        if self.salt is not None:
            raise InputError(
                "a salt serves nothing where the source names every patient or identifiers are "
                "kept; leave --salt out, or the patients of the table empty"
            )
        return self

    @property
    def inputs(self) -> dict[str, Any]:
        """Settings that stores of one data set share: a hash that tells two salts apart."""
        told = None if self.salt is None else pseudonym("salt", self.salt)
        return {"salt": told, "keep_identifiers": self.keep_identifiers}


DEFAULT_POLICY = Policy()


def state(entry: Entry) -> dict[str, Any]:
    """Return the columns of a record whose file was not read."""
    columns = ("id", "patient", "age", "sex", "device")
    return {name: getattr(entry, name) for name in columns}


def describe(entry: Entry, facts: Facts, policy: Policy, source: str) -> dict[str, Any]:
    """Return columns of what source and file say of a record; the source's word goes first.

    ``facts`` are further columns, ``left_out`` counts texts that name the patient, ``nobody`` is
    True where neither source nor file says who it is. ``named`` says of ``id`` and ``source`` if
    they still hold a name or number of the patient.

    Where the source leaves some patients to their files (``entry.patient`` is None), patients are
    pseudonyms of their numbers, and so is the id of a file that is called by one.
    """
    named = [] if policy.keep_identifiers else identifiers_of(facts)

    def unnamed(text: str | None) -> str | None:
        return None if text is not None and names_someone(text, named) else text

    kept = replace(
        facts,
        date=unnamed(facts.date),
        device=unnamed(facts.device),
        statements=tuple(text for text in facts.statements if unnamed(text)),
    )
    row = state(entry)
    for name in ("age", "sex", "device"):
        row[name] = getattr(kept, name) if row[name] is None else row[name]
    more = {"date": kept.date, **kept.measurements, "statements": list(kept.statements)}
    if policy.keep_identifiers and facts.identifiers:
        more["identifiers"] = json.dumps(dict(facts.identifiers))
    texts = [[each.date, each.device, *each.statements] for each in (facts, kept)]
    lost = sum(text is not None for text in texts[0]) - sum(text is not None for text in texts[1])
    row |= _names(entry, facts, policy)
    return {
        **row,
        "facts": more,
        "left_out": lost,
        "nobody": entry.patient is None and _patient(facts) is None,
        "named": [names_someone(text, named) for text in (row["id"], source)],
    }


def _names(entry: Entry, facts: Facts, policy: Policy) -> dict[str, str]:
    """Return id and patient of a record whose file says who the patient is, or does not."""
    number, record = entry.patient or _patient(facts), entry.window_of or entry.id
    if policy.salt is None:
        return {"id": entry.id, "patient": number or record}
    names = names_someone(record, identifiers_of(facts))
    name = pseudonym(record, policy.salt) if names else record
    window = entry.id.removeprefix(record)
    return {"id": name + window, "patient": pseudonym(number, policy.salt) if number else name}


def contradictions(entry: Entry, facts: Facts) -> Iterator[tuple[str, str]]:
    """Yield a flag and its detail where a table and a file say different things of a patient."""
    if None not in (entry.sex, facts.sex) and entry.sex != facts.sex:
        yield "contradiction", f"sex {entry.sex} in the table, {facts.sex} in the file"
    if entry.age is not None and facts.age is not None and abs(entry.age - facts.age) > _OLDER:
        yield "contradiction", f"age {entry.age:g} in the table, {facts.age:g} in the file"


def names_patients(entries: Sequence[Entry]) -> bool:
    """Tell whether the source says of every record who the patient is."""
    return all(entry.patient is not None for entry in entries)


def _patient(facts: Facts) -> str | None:
    """Return the patient's number in the file; None where it was blanked out."""
    named = patient_named(facts.patient or "")
    return None if is_nothing(named) or is_blanked(named) else named
