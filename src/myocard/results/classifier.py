"""The parts of a classifier, and the sizes of the splits that it was made from."""

from pydantic import Field, model_validator

from myocard.metrics.summary import Frozen
from myocard.outcomes import Outcome


class Scale(Frozen):
    """Mean and deviation of a number among the training records, in its own unit."""

    mean: float
    deviation: float


class ClassifierShape(Frozen):
    """The parts of a classifier on an encoder's states; they travel with its weights.

    Attributes:
        task: Name of the task that it predicts.
        outcome: Kind of its outputs.
        classes: Its outputs, in order.
        scale: Mean and deviation of each output's targets, where they are numbers.
        unit: Their unit.
        readout: A name from ``READOUTS``, or ``layer``.
        layer: The one layer that ``layer`` reads.
        common_width: Dimensions that each layer is mapped to; None where it is read as it is.
        head: A name from ``HEADS``; for baselines what stands in its place.
    """

    task: str
    outcome: Outcome = "any"
    classes: tuple[str, ...]
    scale: tuple[Scale, ...] = ()
    unit: str | None = None
    readout: str
    layer: int | None = None
    common_width: int | None = Field(default=None, gt=0)
    head: str

    @model_validator(mode="after")
    def _names_its_layer(self) -> "ClassifierShape":
        if (self.readout == "layer") != (self.layer is not None):
            raise ValueError('"layer" holds a number for the readout "layer" and null for others')
        return self


class SplitInfo(Frozen):
    """The size of a split, and how many more were dropped as copies of records of others."""

    folds: tuple[int, ...]
    records: int
    patients: int
    copies_dropped: int = 0


SHAPE = tuple(ClassifierShape.model_fields)
