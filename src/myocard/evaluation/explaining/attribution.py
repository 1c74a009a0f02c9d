"""Attribution in time and lead: integrated gradients and occlusion, both by captum.

A record is compared with itself whose every square (``SQUARE`` s of one lead) is the straight line
between its ends. A flat line at zero would be no baseline for encoders that standardise each patch:
their answer does not depend on its amplitude, and jumps where it vanishes, so that the integral of
gradients to zero does not converge (``docs/explain.md`` has the numbers).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import FeatureAblation, IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor

from myocard.encoders.protocol import ECGEncoder, joined_states
from myocard.models.model import Model
from myocard.nn.readouts.classifier import Classifier
from myocard.outcomes import CLASSES
from myocard.results.classifier import ClassifierShape
from myocard.results.decision import Decision
from myocard.results.explanation import PAIR, Attribution

SQUARE = 0.2
"""Seconds of a square: the large one of ECG paper at 25 mm/s."""
STEPS = 12
"""Points of the Gauss–Legendre rule along the path from the flattened record."""
MOST = 5
"""Outputs that are explained, those of the highest scores."""
_BATCH = 16

Answer = Callable[[Tensor], Tensor]
"""Function from signals ``(batch, leads, samples)`` to answers ``(batch, outputs)``."""
Map = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Squares:
    """Division of a window's samples into squares.

    Attributes:
        bounds: First sample of each, and the number of samples.
    """

    bounds: NDArray[np.int64]

    @classmethod
    def of(cls, samples: int, rate: float) -> "Squares":
        """Divide a window of ``samples`` at ``rate`` Hz, as evenly as samples allow."""
        number = max(1, round(samples / rate / SQUARE / PAIR)) * PAIR
        return cls(np.round(np.linspace(0, samples, number + 1)).astype(np.int64))

    @property
    def number(self) -> int:
        """Squares of a lead, a multiple of ``PAIR``."""
        return len(self.bounds) - 1

    def flattened(self, window: Tensor) -> Tensor:
        """Join the first and the last sample of every square of ``(leads, samples)`` by a line."""
        knots = np.unique(np.concatenate([self.bounds[:-1], self.bounds[1:] - 1]))
        places = np.arange(window.shape[1])
        lines = [np.interp(places, knots, lead[knots]) for lead in window.numpy()]
        return torch.from_numpy(np.stack(lines).astype(np.float32))


def attribute(model: Model, window: Tensor) -> Attribution:
    """Attribute a model's answers to the squares of a window.

    Args:
        model: A model with a decision.
        window: ``(leads, samples)``, as the encoder expects it.
    """
    classifier, shape, decision = model.classifier, model.shape, model.decision
    assert classifier is not None
    assert shape is not None
    assert decision is not None
    encoder, expected = model.encoder, model.encoder.input
    answer = answer_of(encoder, classifier, shape, decision)
    squares = Squares.of(window.shape[1], expected.rate)
    flat = squares.flattened(window)
    with torch.no_grad():
        answers, flattened = answer(torch.stack([window, flat])).double().numpy()
    outputs = highest(answers)
    untrained = answer_of(encoder.randomised(0), classifier, shape, decision)
    return Attribution(
        leads=expected.leads,
        edges=squares.bounds / expected.rate,
        outputs=outputs,
        answers=answers[list(outputs)],
        flattened=flattened[list(outputs)],
        gradients=gradients(answer, window, flat, squares, outputs),
        occlusion=occlusion(answer, window, flat, squares)[list(outputs)],
        randomised=gradients(untrained, window, flat, squares, outputs[:1])[0],
    )


def highest(answers: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the outputs of the highest answers, ``MOST`` at most, in falling order."""
    return tuple(np.argsort(-answers, kind="stable")[:MOST].tolist())


def answer_of(
    encoder: ECGEncoder, classifier: Classifier, shape: ClassifierShape, decision: Decision
) -> Answer:
    """Return the function that is explained, from signals to answers.

    Log odds of classes at the decision's temperature, numbers in their unit, log hazards.
    """
    temperature = decision.temperature or 1.0
    unit = torch.tensor([each.deviation for each in shape.scale] or [1.0])

    def answer(signals: Tensor) -> Tensor:
        logits = classifier(joined_states(encoder, signals))
        if shape.outcome == "one":
            return _log_odds(logits / temperature)
        return logits / temperature if shape.outcome in CLASSES else logits * unit

    return answer


def _log_odds(logits: Tensor) -> Tensor:
    """Compute the log odds of each class from the logits of a softmax."""
    alone = torch.eye(logits.shape[-1], dtype=torch.bool)
    others = logits[..., None, :].masked_fill(alone, -torch.inf).logsumexp(dim=-1)
    return logits - others


def gradients(
    answer: Answer, window: Tensor, flat: Tensor, squares: Squares, outputs: Sequence[int]
) -> Map:
    """Integrate gradients from the flattened window to the window, summed over each square.

    Integrated gradients, Sundararajan et al. 2017 (arXiv 1703.01365), equation 1.

    Returns:
        ``(outputs, leads, squares)``.
    """
    method, found = IntegratedGradients(answer), []
    for output in outputs:
        each = method.attribute(
            window[None], flat[None], output, n_steps=STEPS, internal_batch_size=_BATCH
        )
        of_samples = each[0].detach().double().numpy()
        found.append(np.add.reduceat(of_samples, squares.bounds[:-1], axis=1))
    return np.stack(found)


def occlusion(answer: Answer, window: Tensor, flat: Tensor, squares: Squares) -> Map:
    """Measure what every answer loses when ``PAIR`` squares of a lead are flattened.

    Returns:
        ``(outputs, leads, pairs)``.
    """
    pairs = squares.number // PAIR
    pair = np.repeat(np.arange(squares.number) // PAIR, np.diff(squares.bounds))
    groups = torch.from_numpy(pair + pairs * np.arange(len(window))[:, None])
    with torch.no_grad():
        lost = FeatureAblation(answer).attribute(
            window[None],
            baselines=flat[None],
            feature_mask=groups[None],
            perturbations_per_eval=_BATCH,
        )
    return lost[:, :, squares.bounds[:-1:PAIR]].double().numpy()
