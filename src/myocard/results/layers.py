"""Measures of every layer of an encoder on disk: ``layers.json``."""

from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import Field

from myocard.metrics.summary import Frozen
from myocard.results.document import Document
from myocard.results.run import EncoderInfo, Hashes, SplitName, command, versions

LAYERS = "layers.json"


class Point(Frozen):
    """The value of a measure at one layer, and its 95 % interval."""

    layer: int
    value: float
    low: float
    high: float


class LayerMeasures(Document):
    """All that ``layers.json`` says.

    Attributes:
        labels: Hash of the task's labels, where they do not come with the records.
        split: The records that probes and reconstruction were scored on.
        records: Number of records of each split that were used.
        best_layer: The layer of the best probe on validation.
        metric: The leading metric, which ``probe`` among the measures is.
        measures: Measures by name; a layer that has no value is left out.
        alignment: Linear CKA of every two layers.
    """

    FILE = LAYERS
    FIX = "run `myocard layers` again"

    version: Literal[3] = Field(default=3, alias="schema")
    encoder: EncoderInfo
    task: str
    labels: str | None = None
    source: str
    head: str
    leads: tuple[str, ...]
    split: SplitName
    records: dict[str, int]
    best_layer: int
    metric: str
    measures: dict[str, tuple[Point, ...]]
    alignment: tuple[tuple[float, ...], ...]
    mask_ratio: float
    seed: int
    hashes: Hashes
    seconds: float
    versions: dict[str, str] = Field(default_factory=versions)
    command: str = Field(default_factory=command)

    def write(self, folder: Path) -> None:
        """Write ``layers.json``, and its measures as ``layers.csv``."""
        super().write(folder)
        rows = [
            {"measure": name} | point.model_dump()
            for name, points in self.measures.items()
            for point in points
        ]
        pd.DataFrame(rows).to_csv(folder / "layers.csv", index=False, lineterminator="\n")
