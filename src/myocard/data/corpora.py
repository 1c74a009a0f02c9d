"""The records that an encoder was pretrained on, as far as they are known."""

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Literal

# An encoder predicts without its corpus, and should not wait for pandas.
if TYPE_CHECKING:
    import pandas as pd

CORPUS_COLUMNS = ("source", "id", "patient", "sha256", "fingerprint")
_COLLECTIONS = {
    "challenge": {"chapman", "cpsc2018", "georgia", "incart", "ningbo", "ptb", "ptbxl"},
    "ecg-arrhythmia": {"chapman", "ningbo"},
    "code": {"code15"},
}
"""Data sets that hold the records of others, under ids of their own."""


class PretrainedOn:
    """Corpus that an encoder was pretrained on, as far as it is known.

    Args:
        records: A row for each record, with ``CORPUS_COLUMNS``, or what reads them once they are
            asked for; None where records are not known.
        datasets: Names of data sets, by default those of the records; None where not even these
            are known.
    """

    def __init__(
        self,
        records: "pd.DataFrame | Callable[[], pd.DataFrame] | None" = None,
        datasets: tuple[str, ...] | None = None,
    ) -> None:
        self._records, self._datasets = records, datasets

    @cached_property
    def records(self) -> "pd.DataFrame | None":
        """Its records; None where they are not known."""
        return self._records() if callable(self._records) else self._records

    @cached_property
    def datasets(self) -> tuple[str, ...] | None:
        """Names of its data sets; None where they are not known."""
        if self._datasets is None and self.records is not None:
            return tuple(sorted(set(self.records["source"])))
        return self._datasets

    @property
    def leak_check(self) -> Literal["records", "names", "none"]:
        """Level at which held-out records can be compared with it."""
        if self._records is not None:
            return "records"
        return "none" if self._datasets is None else "names"

    @cached_property
    def key(self) -> str:
        """Hash of all that is known of it."""
        columns = list(CORPUS_COLUMNS)
        rows = [] if self.records is None else self.records[columns].astype(str).values.tolist()
        content = json.dumps([self.leak_check, self.datasets, rows])
        return hashlib.sha256(content.encode()).hexdigest()

    def seen(self, sources: Iterable[str]) -> tuple[str, ...]:
        """Name its data sets that hold records of ``sources``, as far as names tell."""
        return shared(self.datasets or (), sources)

    def known(self, records: "pd.DataFrame") -> "pd.Series[str]":
        """Tell in words how and as which each of ``records`` is known; empty where it is not.

        Nothing is known where the encoder's records are not.
        """
        from myocard.data.leaks import known_as, nothing_known

        return nothing_known(records) if self.records is None else known_as(self.records, records)


def trained_on_nothing() -> PretrainedOn:
    """Return the corpus of an encoder that was pretrained on no record."""
    return PretrainedOn(_no_records, ())


def _no_records() -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(columns=list(CORPUS_COLUMNS), dtype=object)


def shared(datasets: Iterable[str], sources: Iterable[str]) -> tuple[str, ...]:
    """Name the ``datasets`` that hold records of ``sources``, as far as names tell."""
    here = {part for source in sources for part in _parts(source)}
    return tuple(name for name in datasets if here & _parts(name))


def _parts(dataset: str) -> set[str]:
    return {dataset} | _COLLECTIONS.get(dataset, set())
