"""Long records as entries of their windows, each a record of a store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from joblib import Parallel, delayed

from myocard.data.preparation.examination import Wanted
from myocard.data.signal import Band, Signal, conform
from myocard.data.sources.entry import Entry
from myocard.data.spans import Window, cut, cut_with_margins, places_in, recording_of
from myocard.record import Record


@dataclass(frozen=True)
class WindowReader:
    """Reader of one window of a record.

    Attributes:
        whole: Reader of the record.
        place: The window.
    """

    whole: Callable[..., Record]
    place: Window

    def __call__(self) -> Record:
        return cut(recording_of(self.whole), self.place)

    def conformed(self, leads: Sequence[str], to: int, band: Band) -> Signal:
        """Return what the window would be if the whole record were conformed."""
        recording = recording_of(self.whole)
        around = cut_with_margins(recording, self.place, leads, to, band)
        signal = conform(around.signal, recording.rate, to, band)
        return signal[:, around.first : around.first + around.samples]


def in_windows(entries: Sequence[Entry], wanted: Wanted, jobs: int) -> list[Entry]:
    """List the windows of all records, ``NAME@SECONDS`` each.

    A record that cannot be read, lacks a lead, or is shorter than a window stays one entry, so that
    it is in quarantine once.
    """
    each = Parallel(n_jobs=jobs)(delayed(_windows_of)(entry, wanted) for entry in entries)
    return [window for windows in each for window in windows]


def _windows_of(entry: Entry, wanted: Wanted) -> list[Entry]:
    assert wanted.step is not None
    try:
        recording = recording_of(entry.read)
        recording.check()
    # Whatever it is, reading the entry raises it again.
    except Exception:
        return [entry]
    places = places_in(recording, wanted.seconds, wanted.step, wanted.rate)
    if not places or not set(wanted.leads) <= set(recording.leads):
        return [replace(entry, read=WindowReader(entry.read, Window(0.0, wanted.seconds)))]
    return [
        replace(
            entry,
            id=f"{entry.id}@{place.start:.12g}",
            window_of=entry.id,
            read=WindowReader(entry.read, place),
        )
        for place in places
    ]
