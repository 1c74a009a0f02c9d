"""Comparisons that a page on one record draws: ``reference.json``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from myocard.files.tables import read_parquet
from myocard.metrics.summary import Frozen
from myocard.results.classifier import ClassifierShape
from myocard.results.document import Document
from myocard.results.run import RUN, Run

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_FIX = "run the program again"


class LayerQuantiles(Frozen):
    """Quantiles over records of the share that each layer has in a readout.

    Attributes:
        records: Number of records.
        shares: Shares at each of ``QUANTILES``, one for each layer.
    """

    records: int
    shares: tuple[tuple[float, ...], ...]


class SingleLayer(Frozen):
    """A classifier that reads one layer alone.

    Attributes:
        shape: Its task, classes, layer and head.
        temperature: Divisor of its logits, chosen on validation; None where outputs are no classes.
        score: Its leading metric on validation.
    """

    shape: ClassifierShape
    temperature: float | None = None
    score: float | None = None


class Reference(Document):
    """All that ``reference.json`` says.

    Attributes:
        metric: Name of the leading metric.
        weights: The layer weights of the validation records; None where all have the same.
        layers: The classifiers of single layers that were trained beside the model.
    """

    FILE = "reference.json"
    FIX = "save the model again"

    version: Literal[1] = Field(default=1, alias="schema")
    metric: str
    weights: LayerQuantiles | None = None
    layers: tuple[SingleLayer, ...] = ()


def single_layers(folder: Path) -> Iterator[tuple[Path, Run]]:
    """Yield the runs beside a probe's that read one layer under the same head, by layer.

    They share its encoder, task, records and settings.
    """
    run = Run.read(folder)
    if run.kind != "probe":
        return
    for file in sorted(folder.absolute().parent.glob(f"layer-*-{run.head}/{RUN}")):
        other = Run.read(file.parent)
        if _comparable(other) == _comparable(run) and other.layer is not None:
            yield file.parent, other


def _comparable(run: Run) -> tuple[object, ...]:
    kept = run.splits["train"], run.splits["validation"]
    return run.hashes.encoder, run.hashes.store, run.labels, run.classes, run.head, *kept


def weights_of_records(folder: Path, run: Run) -> LayerQuantiles | None:
    """Read how the layer weights of a run's first seed are spread over its validation records."""
    path = folder / "weights.parquet"
    if not path.exists():
        return None
    table = read_parquet(path, ("split", "seed"), _FIX)
    own = table[(table["split"] == "validation") & (table["seed"] == run.seeds[0])]
    shares = np.quantile(own.filter(like="layer:").to_numpy(float), QUANTILES, axis=0)
    return LayerQuantiles(records=len(own), shares=tuple(map(tuple, shares.tolist())))
