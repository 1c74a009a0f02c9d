"""Facts of a record's file beside those of its source, and what of them could tell who it is."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from myocard.data.cells import is_nothing
from myocard.data.cells import patient as patient_named
from myocard.data.pseudonyms import identifiers_of, names_someone, pseudonym, read_salt
from myocard.data.sources.entry import Entry
from myocard.record import Facts

# Numbers that stand for nobody: zeros, and letters that blank out.
_BLANKED = "0xX-*#. "
_OLDER = 1.0
"""Years by which two ages of one recording may differ."""


@dataclass(frozen=True)
class Policy:
    """Rule of what enters a store of that which could tell who a patient is.

    Attributes:
        salt: Key of the pseudonyms of patients whom only their files name; None before ``fitted``,
            and where there are none.
        keep_identifiers: Keep names, numbers and birth dates as the files write them.
    """

    salt: str | None = field(default=None, repr=False)
    keep_identifiers: bool = False

    def fitted(self, entries: Sequence[Entry]) -> "Policy":
        """Return the same rule with a salt where ``entries`` need one: by default the user's."""
        if self.keep_identifiers or names_patients(entries):
            return replace(self, salt=None)
        return self if self.salt is not None else replace(self, salt=read_salt())

    @property
    def inputs(self) -> dict[str, Any]:
        """Settings that stores of one data set share: a hash that tells two salts apart."""
        told = None if self.salt is None else pseudonym("salt", self.salt)
        return {"salt": told, "keep_identifiers": self.keep_identifiers}


PSEUDONYMS = Policy()
"""The rule by default."""


def stated(entry: Entry) -> dict[str, Any]:
    """Return the columns of a record whose file was not read."""
    columns = ("id", "age", "sex", "device")
    return {**{name: getattr(entry, name) for name in columns}, "patient": entry.patient}


def described(entry: Entry, facts: Facts, policy: Policy) -> dict[str, Any]:
    """Return what source and file say of a record, by column; the source's word goes first.

    ``facts`` are further columns, ``left_out`` counts statements that name the patient, ``nobody``
    is True where neither source nor file says who it is.

    Where the source leaves it to the file who the patient is (``entry.patient`` is None), the
    patient is the pseudonym of the number in the file, and so is the id where the file is called by
    a name or number of the patient.
    """
    row = stated(entry)
    for name in ("age", "sex", "device"):
        row[name] = getattr(facts, name) if row[name] is None else row[name]
    statements, named = list(facts.statements), identifiers_of(facts)
    more: dict[str, Any] = {"date": facts.date, **facts.measurements}
    if policy.keep_identifiers:
        more["identifiers"] = json.dumps(dict(facts.identifiers)) if facts.identifiers else None
    else:
        statements = [text for text in statements if not names_someone(text, named)]
    if entry.patient is None:
        row |= _names(entry, facts, policy)
    left_out = len(facts.statements) - len(statements)
    nobody = entry.patient is None and _patient(facts) is None
    facts_of = {**more, "statements": statements}
    return {**row, "facts": facts_of, "left_out": left_out, "nobody": nobody}


def _names(entry: Entry, facts: Facts, policy: Policy) -> dict[str, str]:
    """Return id and patient of a record whose file says who the patient is, or does not."""
    number, record = _patient(facts), entry.window_of or entry.id
    if policy.salt is None:
        return {"id": entry.id, "patient": number or record}
    name = (
        pseudonym(record, policy.salt) if names_someone(record, identifiers_of(facts)) else record
    )
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
    return None if is_nothing(named) or not named.strip(_BLANKED) else named
