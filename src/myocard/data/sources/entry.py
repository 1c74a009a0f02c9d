"""Statement of a source about one record before its signal is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from myocard.record import Record


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One record of a source: its id, patient, labels, and reader.

    Attributes:
        id: Unique within the source, stable between runs.
        path: The file that an error message should name.
        read: Reads the signal. Picklable (``functools.partial`` of a module-level function), so
            that records are read in parallel. Takes ``rename``, as the readers of files do, where
            its record is one. Raises ``InputError`` for a file it cannot use.
        patient: Records of one patient share it. A source without patients gives the record's id;
            None leaves it to the record's file.
        fold: The source's published fold, or None where it publishes none.
        codes: ``"scheme:code"`` labels as the source gives them, such as ``scp:NORM`` or
            ``snomed:426783006``.
        age: In years, or None. Ages above 89 may be coded by the source (300 in PTB-XL).
        sex: ``"F"``, ``"M"`` or None.
        site: Place of its recording, or None.
        device: Device that recorded it, or None.
        window_of: Id of the record that it is a window of, or None.
    """

    id: str
    path: Path
    read: Callable[..., Record]
    patient: str | None
    fold: int | None = None
    codes: tuple[str, ...] = ()
    age: float | None = None
    sex: str | None = None
    site: str | None = None
    device: str | None = None
    window_of: str | None = None
