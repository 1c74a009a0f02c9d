"""The one training loop: pretraining, probing and fine-tuning hand it a model, a loss and batches.

Everything random in a forward pass is seeded by the recipe's seed and the number of the pass, so a
run that was stopped goes on bit for bit as if it had not been, and one whose passes are shared out
among processes learns what a single process would.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from myocard.errors import InputError
from myocard.recipe import Optimisation
from myocard.training import devices
from myocard.training.state import Step, TrainingState, load_moments

Loss = Callable[[nn.Module, Any], Tensor]
Batches = Callable[[range], Iterator[Any]]


class Diverged(InputError):
    """Loss or gradient stopped being a number: the recipe asks for too much, or a record is odd.

    Attributes:
        batches: Numbers of the batches, from 0, of the step at which it happened.
    """

    def __init__(self, message: str, batches: range = range(0)) -> None:
        super().__init__(message)
        self.batches = batches


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw with ``seed`` within a ``with`` block; other draws are as if it had not been."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def precision(wanted: str) -> str:
    """The precision that ``auto`` stands for on this machine: bf16 where the hardware has it."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "fp32"


def learning_rate(settings: Optimisation, step: int, steps: int, steps_per_epoch: int) -> float:
    """The rate of step ``step`` (from 0): linear warm-up, then cosine to zero, or constant."""
    warmup = round(settings.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    done = (step - warmup) / max(steps - warmup, 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def steps_per_epoch(records: int, settings: Optimisation) -> int:
    """Steps that see ``records`` once; what is left is not seen in that epoch."""
    return max(1, records // min(settings.batch, records) // settings.accumulate)


def decay_groups(
    model: nn.Module, weight_decay: float, shares: Mapping[str, float] | None = None
) -> list[dict[str, Any]]:
    """Groups of parameters: matrices decay; biases, norms and single vectors do not.

    Args:
        model: Its parameters with ``requires_grad`` are grouped.
        weight_decay: Decay of the matrices.
        shares: Share of the learning rate by name of a parameter, 1 by default.
    """
    groups: dict[tuple[bool, float], list[nn.Parameter]] = {(True, 1.0): [], (False, 1.0): []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = parameter.ndim > 1, (shares or {}).get(name, 1.0)
            groups.setdefault(key, []).append(parameter)
    return [
        {"params": own, "weight_decay": weight_decay if decays else 0.0, "share": share}
        for (decays, share), own in groups.items()
    ]


def fit(
    model: nn.Module,
    *,
    loss: Loss,
    batches: Batches,
    steps_per_epoch: int,
    settings: Optimisation,
    shares: Mapping[str, float] | None = None,
    folder: Path | None = None,
    report: Callable[[Step], None] = lambda done: None,
    is_enough: Callable[[int], bool] = lambda step: False,
    sharded: bool = False,
) -> None:
    """Train ``model`` in place.

    Args:
        model: Its parameters with ``requires_grad`` are trained.
        loss: Maps the model and a batch to a mean over the batch.
        batches: ``batches(numbers)`` yields the batches of these numbers, one a forward pass.
        steps_per_epoch: Steps that see every record once.
        settings: Settings of the optimisation.
        shares: Share of the learning rate by name of a parameter, 1 by default.
        folder: Folder of ``training.safetensors`` and ``log.jsonl``, which the caller occupies and
            keeps for one job alone. A run found there is taken up again.
        report: Called after every step.
        is_enough: Asked before every step for the number of those done; True ends the training.
        sharded: True if each process keeps a part of weights and moments, not all. ``loss`` then
            has to reach every parameter through the module that it is given, and by calling it.

    Raises:
        InputError: When the run in ``folder`` is of another model or precision, or the passes
            of a step cannot be shared out evenly among the devices.
        Diverged: When the loss or a gradient is not finite; the last state that was saved stays.
    """
    if settings.accumulate % devices.count():
        raise InputError(
            f"the {settings.accumulate} forward passes of a step cannot be shared out evenly among "
            f"{devices.count()} processes; set accumulate to a multiple, and batch accordingly"
        )
    half = precision(settings.precision) == "bf16"
    fabric = devices.fabric("bf16-mixed" if half else "32-true", sharded=sharded)
    state = TrainingState(folder, precision(settings.precision))
    steps = max(1, round(settings.epochs * steps_per_epoch))
    passes = settings.accumulate // fabric.world_size
    # Without an accelerator, torch.manual_seed formats a traceback for one at every call.
    has_accelerator = torch.accelerator.is_available()
    seed = torch.manual_seed if has_accelerator else torch.default_generator.manual_seed
    with fabric.rank_zero_first():
        first, moments = state.resume(model)
    # Sharding changes a module for good, and what is made of the model afterwards wants it whole.
    trained = deepcopy(model) if sharded else model
    wrapped = fabric.setup_module(trained)
    groups = decay_groups(trained, settings.weight_decay, shares)
    adam = torch.optim.AdamW(groups, betas=settings.betas, fused=True)
    optimiser = cast(torch.optim.Optimizer, fabric.setup_optimizers(adam))
    load_moments(optimiser, moments)
    del moments  # All of them, of which a process that shares weights keeps a part.
    mine = range(
        first * settings.accumulate + fabric.global_rank,
        steps * settings.accumulate,
        fabric.world_size,
    )
    numbered = zip(mine, batches(mine), strict=True)
    wrapped.train()
    for step in takewhile(lambda step: not is_enough(step), range(first, steps)):
        began = time.perf_counter()
        rate = learning_rate(settings, step, steps, steps_per_epoch)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["share"]
        total = torch.zeros((), device=fabric.device)
        for part in range(passes):
            number, batch = next(numbered)
            seed(settings.seed * 1_000_003 + number)
            with fabric.no_backward_sync(wrapped, enabled=part < passes - 1):
                value = loss(wrapped, fabric.to_device(batch)) / passes
                fabric.backward(value)
                total += value.detach()
        mean = float(cast(Tensor, fabric.all_reduce(total, reduce_op="mean")))
        norm = _finite_norm(mean, trained, step, settings)
        optimiser.step()
        optimiser.zero_grad()
        done = Step(step + 1, steps, mean, rate, norm, time.perf_counter() - began)
        if fabric.is_global_zero:
            state.note(done)
        if done.step % settings.checkpoint_every == 0 or done.step == steps:
            state.save(done.step, trained, optimiser)
        if fabric.is_global_zero:
            report(done)
    if sharded:
        own = model.state_dict()
        for name, value in trained.state_dict().items():
            own[name].copy_(devices.whole(value))
    model.eval()


def _finite_norm(loss: float, model: nn.Module, step: int, settings: Optimisation) -> float:
    """The norm of the gradient; it and the loss are refused if they are not finite."""
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = float(devices.whole(get_total_norm(gradients)))
    for name, size in (("loss", loss), ("gradient", norm)):
        if not math.isfinite(size):
            raise Diverged(
                f"the {name} is {size} at step {step + 1}; lower base_learning_rate",
                range(step * settings.accumulate, (step + 1) * settings.accumulate),
            )
    return norm
