"""Accuracy of delineation from every layer of an encoder, on disk: ``delineation.json``."""

from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field

from myocard.metrics.summary import Estimate, Frozen
from myocard.results.document import Document
from myocard.results.run import EncoderInfo, Hashes, SplitName, command, versions

DELINEATION = "delineation.json"
MEAN = "mean of boundaries"
"""The event of a layer as a whole, of which there is F1 alone."""


class Accuracy(Frozen):
    """Accuracy of one event at one layer.

    Attributes:
        layer: Number of the layer; 0 is the embedding.
        event: A boundary, such as ``P onset``; ``beat``, the middle of a QRS complex; or ``MEAN``.
        tolerance: Milliseconds within which it counts as found.
        waves: Number of true ones.
        f1: Harmonic mean of the two that follow.
        sensitivity: Share of the true ones that were found.
        predictive_value: Share of the found ones that are true.
        error_mean: Mean error of those that are both (ms); positive where they are found late.
        error_sd: Standard deviation of that error (ms).
    """

    layer: int
    event: str
    tolerance: int
    waves: int | None = None
    f1: Estimate
    sensitivity: Estimate | None = None
    predictive_value: Estimate | None = None
    error_mean: Estimate | None = None
    error_sd: Estimate | None = None


class Gain(Frozen):
    """F1 of the best layer less that of the last, all boundaries, with interval, p and SE."""

    tolerance: int
    difference: float
    low: float
    high: float
    p: float
    se: float


class DelineationMeasures(Document):
    """All that ``delineation.json`` says.

    Attributes:
        rows: True waves that tokens were compared with: those of each lead, or of most leads.
        split: The records that were scored.
        records: Number of records of each split whose waves are known.
        patients: Number of their patients.
        best_layer: The layer of the highest mean F1 on validation, within ``choice`` ms.
        choice: Tolerance by which layer and penalties were chosen (ms).
        penalties: The penalty of each layer.
        shortest: Seconds below which a run of equal labels was dropped.
        accuracy: By layer, event and tolerance.
        gains: By tolerance.
        resamples: Number of the bootstrap's resamples, of patients.
    """

    FILE = DELINEATION
    FIX = "run `myocard delineate` again"

    version: Literal[1] = Field(default=1, alias="schema")
    encoder: EncoderInfo
    source: str
    leads: tuple[str, ...]
    rows: Literal["leads", "record"]
    split: SplitName
    records: dict[str, int]
    patients: dict[str, int]
    best_layer: int
    choice: int
    penalties: tuple[float, ...]
    shortest: float
    accuracy: tuple[Accuracy, ...]
    gains: tuple[Gain, ...]
    resamples: int
    hashes: Hashes
    waves: str
    seconds: float
    versions: dict[str, str] = Field(default_factory=versions)
    command: str = Field(default_factory=command)

    def write(self, folder: Path) -> None:
        """Write ``delineation.json``, and its accuracy as ``delineation.csv``."""
        super().write(folder)
        rows = [_flat(each) for each in self.accuracy]
        pd.DataFrame(rows).to_csv(folder / "delineation.csv", index=False, lineterminator="\n")


def _flat(accuracy: Accuracy) -> dict[str, object]:
    """Return the columns of a row: an estimate's value under its name, and its interval."""
    row: dict[str, object] = {}
    for name, value in accuracy:
        if isinstance(value, Estimate):
            row |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
        else:
            row[name] = value
    return row
