"""All that a page on one record shows: what a model says of it, from where, and how surely."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from myocard.metrics.ranks import rank_correlation
from myocard.metrics.summary import Frozen
from myocard.outcomes import CLASSES
from myocard.record import Record
from myocard.results.classifier import ClassifierShape
from myocard.results.decision import Decision
from myocard.results.reference import Reference
from myocard.results.run import EncoderInfo

Method = Literal["gradients", "occlusion"]
PAIR = 2
"""Squares that are occluded at once: gradients resolve one, at no cost."""
ALIKE = 0.5
"""Rank correlation from which up two maps count as alike."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """Contributions of squares, each a short time of one lead, to a model's answers.

    An answer is the log odds of a class, a number in its unit, or a log hazard. A square counts by
    what its shape adds: it is compared with the straight line between its ends.

    Attributes:
        leads: Names of the rows of a map.
        edges: Seconds of the window at which squares begin and end, ``(squares + 1,)``.
        outputs: Index of each output that is explained; the first is the one that is checked.
        answers: Answer to the record, ``(outputs,)``.
        flattened: Answer to the record with every square flattened, ``(outputs,)``.
        gradients: Integrated gradients, ``(outputs, leads, squares)``; their sum over squares is
            about ``answers - flattened``.
        occlusion: What is lost when ``PAIR`` squares are flattened, ``(outputs, leads, pairs)``.
        randomised: ``gradients`` of the first output when the encoder's weights are random.
    """

    leads: tuple[str, ...]
    edges: NDArray[np.float64]
    outputs: tuple[int, ...]
    answers: NDArray[np.float64]
    flattened: NDArray[np.float64]
    gradients: NDArray[np.float64]
    occlusion: NDArray[np.float64]
    randomised: NDArray[np.float64]

    @property
    def maps(self) -> Mapping[Method, NDArray[np.float64]]:
        """The maps of both methods on all squares; what several lose together is shared out."""
        shared = np.repeat(self.occlusion, PAIR, axis=-1) / PAIR
        return {"gradients": self.gradients, "occlusion": shared}

    @cached_property
    def agreement(self) -> tuple[float, ...]:
        """Rank correlation of the two methods over leads and pairs of squares, by output."""
        paired = zip(pairs_of(self.gradients), self.occlusion, strict=True)
        return tuple(rank_correlation(*each) for each in paired)

    @cached_property
    def likeness(self) -> float:
        """Rank correlation of the first output's gradients with those under random weights."""
        return rank_correlation(self.gradients[0], self.randomised)

    @cached_property
    def likeness_of_sizes(self) -> float:
        """The same without signs: both are large where the record has waves."""
        return rank_correlation(np.abs(self.gradients[0]), np.abs(self.randomised))

    @cached_property
    def incompleteness(self) -> NDArray[np.float64]:
        """Share of the change of each answer that gradients do not account for, ``(outputs,)``."""
        change = self.answers - self.flattened
        left = np.abs(self.gradients.sum(axis=(1, 2)) - change)
        return np.divide(left, np.abs(change), out=np.zeros_like(left), where=change != 0)


def pairs_of(gradients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum a map ``(…, squares)`` over the squares that are occluded together."""
    return gradients.reshape(*gradients.shape[:-1], -1, PAIR).sum(axis=-1)


class Neighbour(NamedTuple):
    """A training record that is near.

    Attributes:
        similarity: Cosine of the two standardised states.
        labels: Its labels, in words.
        id: Its id in the store; None where names are not to be shown.
    """

    similarity: float
    labels: str
    id: str | None = None


class Neighbours(NamedTuple):
    """The training records that are nearest at a layer.

    Attributes:
        layer: The layer.
        records: Number of training records.
        nearest: The nearest of them, in falling order of similarity.
    """

    layer: int
    records: int
    nearest: tuple[Neighbour, ...]


@dataclass(frozen=True, eq=False)
class Explanation:
    """An explanation of what a model says of one record.

    Attributes:
        name: Name of the record.
        record: The part of it that the model reads, with all its leads.
        seconds: Length of the whole record.
        encoder: The encoder.
        shape: Task, classes, readout and head.
        decision: Thresholds, temperature and sets.
        layers: Names of the layers.
        scores: Score of each output, not calibrated, ``(outputs,)``.
        weights: Share of each layer in the readout, ``(layers,)``.
        reference: Layer weights of other records, and heads of single layers; None where the model
            was saved without.
        single: What each layer says alone, ``(layers, outputs)``; NaN where none is known.
        attribution: Contributions of squares.
        neighbours: The nearest training records; None where none were given.
    """

    name: str
    record: Record
    seconds: float
    encoder: EncoderInfo
    shape: ClassifierShape
    decision: Decision
    layers: tuple[str, ...]
    scores: NDArray[np.float32]
    weights: NDArray[np.float32]
    reference: Reference | None
    single: NDArray[np.float64]
    attribution: Attribution
    neighbours: Neighbours | None

    @property
    def calibrated(self) -> NDArray[np.float32]:
        """Score of each output at the decision's temperature, ``(outputs,)``."""
        return self.decision.calibrated(self.scores[None])[0]

    @cached_property
    def disagreement(self) -> float | None:
        """Largest standard deviation, over outputs, of what the blocks say alone.

        Numbers are in units of their deviation among training records. The embedding is left out,
        which knows little of any record. None where fewer than two blocks are known.
        """
        blocks = self.single[1:]
        known = blocks[~np.isnan(blocks).any(axis=1)]
        if len(known) < 2:
            return None
        spread = known.std(axis=0)
        if self.shape.scale:
            spread = spread / np.array([each.deviation for each in self.shape.scale])
        return float(spread.max())

    @property
    def has_probabilities(self) -> bool:
        """True where outputs are classes."""
        return self.shape.outcome in CLASSES

    def entry(self, page: str) -> "Entry":
        """Sum it up for an index, with the name of its page."""
        scores = dict(zip(self.shape.classes, self.calibrated.tolist(), strict=True))
        thresholds = zip(self.shape.classes, self.decision.thresholds, strict=False)
        yes = tuple(name for name, least in thresholds if scores[name] >= least)
        spread = self.disagreement
        return Entry(name=self.name, page=page, scores=scores, yes=yes, disagreement=spread)


class Entry(Frozen):
    """A record in an index of pages.

    Attributes:
        name: Name of the record.
        page: Name of its page; None where there is none.
        scores: Calibrated score of each output.
        yes: Outputs that are decided to be there.
        disagreement: As ``Explanation`` has it.
        error: The reason why there is no page, in words.
    """

    name: str
    page: str | None = None
    scores: dict[str, float] = {}
    yes: tuple[str, ...] = ()
    disagreement: float | None = None
    error: str | None = None
