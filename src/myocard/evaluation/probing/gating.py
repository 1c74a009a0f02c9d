"""A gate that starts from a static mixture and is penalised from "none" to "free".

A record's shares are softmax(a + G x), where x is its standardised embedding h_0. Under a strong
penalty of G all records have the shares of the static mixture. Weaker ones are reached step by
step, gate and head together, by L-BFGS; the surface has several optima, and this is a local one.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.functional import batch_norm, linear

from myocard.evaluation.probing.mixtures import CURVATURE, Mixing, Solution
from myocard.evaluation.probing.scales import Scales
from myocard.evaluation.probing.solving import EPSILON, solved_head
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.pooled import GatedMix
from myocard.nn.readouts.sums import weighted_sum

_LEAST = 1e-4
"""Share from which a gate can bring back a block that the static mixture leaves out."""


@dataclass(frozen=True, eq=False)
class GateSolution:
    """A gate and its head.

    Attributes:
        offsets: ``(blocks,)``, logits of the shares of a record whose x is 0.
        gate: ``(blocks, width)``.
        head: Weights and bias, ``(classes, features + 1)``.
        scales: Scales of the loss around the static mixture's head.
        objective: Loss with all penalties, in nats.
        slope: Largest derivative that is left, in coordinates that curve about 1; None before any
            step.
    """

    offsets: Tensor
    gate: Tensor
    head: Tensor
    scales: Scales
    objective: float
    slope: float | None = None

    def shares(self, inputs: Float[Tensor, "records width"]) -> Float[Tensor, "records blocks"]:
        return linear(inputs, self.gate, self.offsets).softmax(dim=1)


@dataclass(frozen=True, eq=False)
class Gating:
    """A gate on the blocks of a static mixture.

    Attributes:
        mixing: The blocks, on the records that the gate is trained on.
        embeddings: h_0 of these records.
    """

    mixing: Mixing
    embeddings: Float[Tensor, "records width"]

    @cached_property
    def inputs(self) -> Float[Tensor, "records width"]:
        return self.standardised(self.embeddings)

    def standardised(
        self, embeddings: Float[Tensor, "others width"]
    ) -> Float[Tensor, "others width"]:
        """Standardise the embeddings of any records as those of the training records."""
        variance, mean = self.moments
        return (embeddings - mean) / (variance + EPSILON).sqrt()

    @cached_property
    def moments(self) -> tuple[Tensor, Tensor]:
        """Variance and mean of the embeddings."""
        variance, mean = torch.var_mean(self.embeddings, dim=0, correction=0)
        return variance, mean

    @cached_property
    def states(self) -> Float[Tensor, "records blocks width"]:
        return self.mixing.states.transpose(0, 1).contiguous()

    def start(self, static: Solution) -> GateSolution:
        """The static mixture as a gate that does nothing."""
        shares = torch.from_numpy(static.shares).float().clamp(min=_LEAST)
        gate = torch.zeros(len(shares), self.inputs.shape[1])
        return GateSolution(shares.log(), gate, static.head, static.scales, static.objective)

    def path(
        self, penalty: float, static: Solution, pulls: Sequence[float]
    ) -> Iterator[GateSolution]:
        """Solve under ever weaker penalties ``pulls`` of half the gate's squares."""
        found = self.start(static)
        yield found
        for pull in pulls:
            found = self.descend(penalty, static.shrinkage, pull, found)
            yield found

    def descend(
        self, penalty: float, shrinkage: float, pull: float, start: GateSolution
    ) -> GateSolution:
        """Find the optimum downhill of ``start``."""
        shapes = [start.offsets.shape, start.gate.shape, start.head.shape]
        sizes = [shape.numel() for shape in shapes]
        scales = start.scales
        stretch = (CURVATURE + pull) ** -0.5

        def unpacked(flat: object) -> list[Tensor]:
            parts = torch.as_tensor(flat).float().split(sizes)
            offsets, gate, head = (p.view(s) for p, s in zip(parts, shapes, strict=True))
            return [offsets, stretch * gate, scales.stretch(head)]

        def objective(flat: object) -> tuple[float, object]:
            leaves = [part.requires_grad_() for part in unpacked(flat)]
            value = self._objective(leaves, penalty, shrinkage, pull)
            of_offsets, of_gate, of_head = torch.autograd.grad(value, leaves)
            parts = [of_offsets, stretch * of_gate.flatten(), scales.slopes(of_head).flatten()]
            return float(value.detach()), torch.cat(parts).double().numpy()

        first = [start.offsets, start.gate.flatten() / stretch, scales.shrink(start.head).flatten()]
        found = minimize(
            objective,
            torch.cat(first).double().numpy(),
            jac=True,
            method="L-BFGS-B",
            options={"gtol": 1e-4, "ftol": 1e-9, "maxiter": 300, "maxcor": 20},
        )
        offsets, gate, head = (part.detach() for part in unpacked(found.x))
        slope = float(np.abs(found.jac).max())
        return GateSolution(offsets, gate, head, scales, float(found.fun), slope)

    def _objective(
        self, leaves: Sequence[Tensor], penalty: float, shrinkage: float, pull: float
    ) -> Tensor:
        offsets, gate, head = leaves
        mixing = self.mixing
        shares = linear(self.inputs, gate, offsets).softmax(dim=1)
        mixed = mixing.norm(weighted_sum(shares, self.states))
        features = batch_norm(mixed, None, None, training=True)
        logits = linear(features, head[:, :-1], head[:, -1])
        loss = LIKELIHOODS[mixing.outcome].loss(logits, mixing.targets).mean()
        mean = shares.mean(dim=0)
        divergence = (mean * (mean * len(mean)).log()).sum()
        squares = penalty * head[:, :-1].square().sum() + pull * gate.square().sum()
        return loss + squares / 2 + shrinkage * divergence

    @torch.no_grad()
    def head(self, solution: GateSolution) -> nn.Sequential:
        """The head of a solution."""
        mixed = self.mixing.norm(weighted_sum(solution.shares(self.inputs), self.states))
        variance, mean = torch.var_mean(mixed, dim=0, correction=0)
        return solved_head(mean, variance, solution.head)

    @torch.no_grad()
    def logits(
        self,
        solution: GateSolution,
        inputs: Float[Tensor, "others width"],
        states: Float[Tensor, "blocks others width"],
    ) -> Float[Tensor, "others classes"]:
        """Logits of other records."""
        mixed = weighted_sum(solution.shares(inputs), states.transpose(0, 1))
        return self.head(solution)(self.mixing.norm(mixed))

    @torch.no_grad()
    def readout(self, readout: GatedMix, solution: GateSolution) -> GatedMix:
        """The readout with a solution's gate."""
        own = deepcopy(readout).eval()
        variance, mean = self.moments
        known = {"running_mean": mean, "running_var": variance}
        own.gate[0].load_state_dict(known | {"num_batches_tracked": torch.tensor(1)})
        own.gate[1].load_state_dict({"weight": solution.gate, "bias": solution.offsets})
        return own
