"""The one training loop: pretraining, probing and fine-tuning hand it a model, a loss and batches.

Everything random in a forward pass is seeded by the recipe's seed and the number of the pass, so a
run that was stopped goes on bit for bit as if it had not been, and one whose passes are shared out
among processes learns what a single process would.
"""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from myocard.errors import InputError
from myocard.files.atomic import replace_file
from myocard.recipe import Optimisation
from myocard.training import devices

Loss = Callable[[nn.Module, Any], Tensor]
Batches = Callable[[range], Iterator[Any]]
Moments = dict[int, dict[str, Tensor]]
"""AdamW's, by name, of each parameter by its place."""


@dataclass(frozen=True)
class Progress:
    """What one step did."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    seconds: float


class Diverged(InputError):
    """Loss or gradient stopped being a number: the recipe asks for too much, or a record is odd.

    Attributes:
        batches: Numbers of the batches, from 0, of the step at which it happened.
    """

    def __init__(self, message: str, batches: range = range(0)) -> None:
        super().__init__(message)
        self.batches = batches


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


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and single vectors do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def fit(
    model: nn.Module,
    *,
    loss: Loss,
    batches: Batches,
    steps_per_epoch: int,
    settings: Optimisation,
    folder: Path | None = None,
    about: Mapping[str, Any] | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
    sharded: bool = False,
) -> None:
    """Train ``model`` in place.

    Args:
        model: Its parameters with ``requires_grad`` are trained.
        loss: Maps the model and a batch to a mean over the batch.
        batches: ``batches(numbers)`` yields the batches of these numbers, one a forward pass.
        steps_per_epoch: Steps that see every record once.
        settings: How to optimise.
        folder: Where ``training.safetensors``, ``settings.json`` and ``log.jsonl`` go, which the
            caller occupies. A run found there is taken up again.
        about: What else makes the run what it is (data, recipe); a run of other things is refused.
        report: Called after every step.
        sharded: Whether each process keeps a part of weights and moments, not all. ``loss`` then
            has to reach every parameter through the module that it is given, and by calling it.

    Raises:
        InputError: When the run in ``folder`` is of another model or other settings, or the passes
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
    state = TrainingState(folder, settings, about or {})
    steps = max(1, round(settings.epochs * steps_per_epoch))
    passes = settings.accumulate // fabric.world_size
    with fabric.rank_zero_first():
        first, moments = state.resume(model)
    # Sharding changes a module for good, and what is made of the model afterwards wants it whole.
    trained = deepcopy(model) if sharded else model
    wrapped = fabric.setup_module(trained)
    groups = decay_groups(trained, settings.weight_decay)
    adam = torch.optim.AdamW(groups, betas=settings.betas, fused=True)
    optimiser = cast(torch.optim.Optimizer, fabric.setup_optimizers(adam))
    _load_moments(optimiser, moments)
    del moments  # All of them, of which a process that shares weights keeps a part.
    mine = range(
        first * settings.accumulate + fabric.global_rank,
        steps * settings.accumulate,
        fabric.world_size,
    )
    numbered = zip(mine, batches(mine), strict=True)
    wrapped.train()
    for step in range(first, steps):
        began = time.perf_counter()
        rate = learning_rate(settings, step, steps, steps_per_epoch)
        for group in optimiser.param_groups:
            group["lr"] = rate
        total = torch.zeros((), device=fabric.device)
        for part in range(passes):
            number, batch = next(numbered)
            torch.manual_seed(settings.seed * 1_000_003 + number)
            with fabric.no_backward_sync(wrapped, enabled=part < passes - 1):
                value = loss(wrapped, fabric.to_device(batch)) / passes
                fabric.backward(value)
                total += value.detach()
        mean = float(cast(Tensor, fabric.all_reduce(total, reduce_op="mean")))
        _require_finite(mean, trained, step, settings)
        optimiser.step()
        optimiser.zero_grad()
        progress = Progress(step + 1, steps, mean, rate, time.perf_counter() - began)
        if fabric.is_global_zero:
            state.note(progress)
        if progress.step % settings.checkpoint_every == 0 or progress.step == steps:
            state.save(progress.step, trained, optimiser)
        if fabric.is_global_zero:
            report(progress)
    if sharded:
        own = model.state_dict()
        for name, value in trained.state_dict().items():
            own[name].copy_(devices.whole(value))
    model.eval()


def _require_finite(loss: float, model: nn.Module, step: int, settings: Optimisation) -> None:
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norm = float(devices.whole(get_total_norm(gradients)))
    for name, size in (("loss", loss), ("gradient", norm)):
        if not math.isfinite(size):
            raise Diverged(
                f"the {name} is {size} at step {step + 1}; lower base_learning_rate",
                range(step * settings.accumulate, (step + 1) * settings.accumulate),
            )


class TrainingState:
    """A run on disk: weights, moments and step in one file that is replaced whole, and a log."""

    def __init__(
        self, folder: Path | None, settings: Optimisation, about: Mapping[str, Any]
    ) -> None:
        self.folder = folder
        chosen = settings.model_dump(mode="json", exclude={"checkpoint_every", "workers"})
        # Not "auto": a run does not change its arithmetic with the machine it goes on on.
        chosen["precision"] = precision(settings.precision)
        self.settings = json.loads(json.dumps({"optimisation": chosen, **about}))
        self.lines: list[str] = []

    def save(self, step: int, model: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        if self.folder is None:
            return
        tensors: dict[str, Tensor] = {}
        for name, value in _all_tensors(model, optimiser):
            # One at a time is whole on every process, which may not have room for all of them.
            found = devices.whole(value)
            if devices.is_first():
                # A copy: modules may share a tensor, which safetensors refuses to write twice.
                tensors[name] = found.to("cpu", copy=True)
        if not devices.is_first():
            return

        def write(path: Path) -> None:
            save_file(tensors, path, metadata={"step": str(step)})
            # Before the state gets its name: resuming drops what was logged beyond it.
            with (path.parent / "log.jsonl").open("a") as log:
                log.writelines(self.lines)
            self.lines.clear()

        replace_file(self.folder / "training.safetensors", write)

    def note(self, progress: Progress) -> None:
        line = {
            "step": progress.step,
            "loss": round(progress.loss, 6),
            "learning_rate": progress.learning_rate,
            "seconds": round(progress.seconds, 3),
        }
        self.lines.append(json.dumps(line) + "\n")

    def resume(self, model: nn.Module) -> tuple[int, Moments]:
        """Load the weights in the folder, if there are any; the steps done, and the moments."""
        if self.folder is None:
            return 0, {}
        self.folder.mkdir(parents=True, exist_ok=True)
        self._claim(self.folder / "settings.json")
        path = self.folder / "training.safetensors"
        if not path.exists():
            self._keep_log(0)
            return 0, {}
        try:
            with safe_open(path, framework="pt") as file:
                step = int(file.metadata()["step"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, TypeError, KeyError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); remove it to start anew"
            ) from error
        try:
            model.load_state_dict(
                {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
            )
        except RuntimeError as error:
            raise InputError(f"{path}: a run of another model; choose another folder") from error
        self._keep_log(step)
        return step, _moments(tensors)

    def _claim(self, path: Path) -> None:
        if not path.exists():
            text = json.dumps(self.settings, indent=2) + "\n"
            if devices.is_first():
                replace_file(path, lambda fresh: fresh.write_text(text))
        elif json.loads(path.read_text()) != self.settings:
            raise InputError(f"{path}: a run with other settings; choose another folder")

    def _keep_log(self, step: int) -> None:
        assert self.folder is not None
        path = self.folder / "log.jsonl"
        if path.exists() and devices.is_first():
            lines = path.read_text().splitlines(keepends=True)
            whole = [x for x in lines if x.endswith("\n")]  # a stop may have cut the last one short
            kept = "".join(line for line in whole if json.loads(line)["step"] <= step)
            replace_file(path, lambda fresh: fresh.write_text(kept))


def _all_tensors(
    model: nn.Module, optimiser: torch.optim.Optimizer
) -> Iterator[tuple[str, Tensor]]:
    for name, value in model.state_dict().items():
        yield f"model.{name}", value
    for index, moments in optimiser.state_dict()["state"].items():
        for name, value in moments.items():
            yield f"optimiser.{index}.{name}", value


def _moments(tensors: Mapping[str, Tensor]) -> Moments:
    found: Moments = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, moment = name.split(".")
            found.setdefault(int(index), {})[moment] = value
    return found


def _load_moments(optimiser: torch.optim.Optimizer, moments: Moments) -> None:
    trained = [p for group in optimiser.param_groups for p in group["params"]]
    mine = {
        index: {name: devices.part(value, trained[index]) for name, value in of_one.items()}
        for index, of_one in moments.items()
    }
    optimiser.load_state_dict(optimiser.state_dict() | {"state": mine})
