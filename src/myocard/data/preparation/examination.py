"""Requirements of a store on its records, and all faults that a record can have."""

from dataclasses import dataclass

from myocard.data.faults import unreadable
from myocard.data.formats.wfdb import reason_of
from myocard.data.quality import Excerpt, faults_of
from myocard.data.signal import Band, resampled_length
from myocard.data.sources.entry import Entry
from myocard.data.spans import require_sample
from myocard.errors import InputError
from myocard.record import Record

# Faults that a record may be kept with, when asked to, because its signal stays usable.
ALLOWABLE = ("flat_lead", "duplicate", "wrong_unit")

# Faults that only flag a record: each can be the patient's own.
FLAGS = ("saturated", "amplitude", "limb_leads", "electrodes")


@dataclass(frozen=True)
class Wanted:
    """Requirements on every record of a store.

    Attributes:
        rate: Samples per second (Hz).
        seconds: Length of a record; longer ones are cropped to their middle and flagged
            ``cropped``.
        leads: Rows of the store.
        band: Filter, run over the whole record before it is cropped.
        allow: Faults among ``ALLOWABLE`` that flag a record instead of putting it into quarantine.
        filtered: True if the records come through that filter; they are not filtered again.
        standardise: z-score over the whole record, all leads jointly (``"record"``), or lead by
            lead (``"lead"``); the store's unit is NU then. None for as they are.
        step: Seconds from a window of a record to the next, each of which becomes one of the
            store; None for one window, the middle.
    """

    rate: int
    seconds: float
    leads: tuple[str, ...]
    band: Band = Band()
    allow: tuple[str, ...] = ()
    filtered: bool = False
    standardise: str | None = None
    step: float | None = None

    def __post_init__(self) -> None:
        if self.samples < 1:
            raise InputError(f"{self.seconds:g} s at {self.rate} Hz hold no sample; ask for more")
        if self.step is not None:
            require_sample(self.step, self.rate)
        self.band.check(self.rate)
        if self.standardise not in (None, "record", "lead"):
            raise InputError(
                f"standardise {self.standardise!r}: give lead or record, or leave it out"
            )
        wrong = ", ".join(sorted(set(self.allow) - set(ALLOWABLE)))
        if wrong:
            raise InputError(f"cannot allow {wrong}; what can be kept is {', '.join(ALLOWABLE)}")

    @property
    def samples(self) -> int:
        return round(self.rate * self.seconds)


@dataclass(frozen=True)
class Fault:
    """Fault for which a record cannot be used as it is, or, among ``FLAGS``, should be looked at.

    Attributes:
        reason: ``unreadable``: the file cannot be read; ``wrong_length``: file and header disagree
            about the number of samples; ``wrong_checksum``: about their sum; ``missing_lead``: a
            lead of the store is not in the record; ``not_finite``: a lead holds values that are not
            finite; ``flat_lead``: a lead is constant, or holds few values; ``too_short``: the
            record is shorter than the store's; ``duplicate``: the waveform is that of an earlier
            record; ``wrong_unit``: beats larger than any heart's; ``saturated``: a lead stays at a
            limit; ``amplitude``: beats of an unusual size; ``limb_leads``: they are not the sums
            that they are; ``electrodes``: they seem to be exchanged.
        detail: Lead, length or message.
    """

    reason: str
    detail: str


def read_entry(entry: Entry) -> Record | Fault:
    """Read a record, or say why it cannot be read."""
    try:
        return entry.read()
    except InputError as error:
        return Fault(reason_of(error), str(error))
    except Exception as error:
        found = unreadable(entry.path, error)
        return Fault(found.reason, str(found))


def examine(found: Record, wanted: Wanted) -> tuple[Record | None, list[Fault]]:
    """Find the faults of a record; None where its signal cannot be used at all."""
    faults = []
    missing = [lead for lead in wanted.leads if lead not in found.leads]
    if missing:
        detail = f"no lead {', '.join(missing)}; prepare with --leads {','.join(found.leads)}"
        return None, [Fault("missing_lead", detail)]
    record = found.select(wanted.leads)
    length = resampled_length(record.signal.shape[1], record.rate, wanted.rate)
    if length < wanted.samples:
        detail = f"{record.seconds:g} s of {wanted.seconds:g} s; prepare with --seconds"
        return None, [Fault("too_short", detail)]
    if record.not_finite:
        return None, [Fault("not_finite", f"in {', '.join(record.not_finite)}")]
    excerpt = Excerpt.of(record)
    # A filter leaves rounding errors of such a record, and quantising would blow them up.
    if excerpt.empty == record.leads:
        return None, [Fault("flat_lead", "in every lead")]
    if excerpt.empty:
        faults.append(Fault("flat_lead", f"in {', '.join(excerpt.empty)}"))
    whole = excerpt if found is record else _excerpt_of_finite(found)
    return record, [*faults, *(Fault(*each) for each in faults_of(whole))]


def _excerpt_of_finite(record: Record) -> Excerpt:
    return Excerpt.of(record.select([x for x in record.leads if x not in record.not_finite]))
