"""A training on disk: weights, moments and step in one file, and a log."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from myocard.errors import InputError
from myocard.files.atomic import replace_file
from myocard.training import devices

LOG = "log.jsonl"
"""The file of a training's steps: a line each, those of states that were saved."""

Moments = dict[int, dict[str, Tensor]]
"""AdamW's moments by name, of each parameter by its index."""


@dataclass(frozen=True)
class Step:
    """Result of one step; the gradient's norm is that of all parameters together."""

    step: int
    steps: int
    loss: float
    learning_rate: float
    gradient_norm: float
    seconds: float


class TrainingState:
    """The state of a training; its file is replaced whole.

    Args:
        folder: Its folder; None keeps nothing.
        precision: Precision of the arithmetic. A run does not change it with the machine that it
            goes on on.
    """

    def __init__(self, folder: Path | None, precision: str) -> None:
        self.folder = folder
        self.precision = precision
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

        about = {"step": str(step), "precision": self.precision}

        def write(path: Path) -> None:
            save_file(tensors, path, metadata=about)
            # Before the state gets its name: resuming drops what was logged beyond it.
            with (path.parent / LOG).open("a") as log:
                log.writelines(self.lines)
            self.lines.clear()

        replace_file(self.folder / "training.safetensors", write)

    def note(self, done: Step) -> None:
        """Log a step with the next state that is saved."""
        if self.folder is None:
            return
        rounded = {
            "loss": round(done.loss, 6),
            "gradient_norm": float(f"{done.gradient_norm:.6g}"),
            "seconds": round(done.seconds, 3),
        }
        line = {k: v for k, v in (asdict(done) | rounded).items() if k != "steps"}
        self.lines.append(json.dumps(line) + "\n")

    def resume(self, model: nn.Module) -> tuple[int, Moments]:
        """Load the weights in the folder, if there are any; the steps done, and the moments."""
        if self.folder is None:
            return 0, {}
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "training.safetensors"
        if not path.exists():
            self._keep_log(0)
            return 0, {}
        try:
            with safe_open(path, framework="pt") as file:
                step, precision = int(file.metadata()["step"]), file.metadata()["precision"]
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, TypeError, KeyError) as error:
            raise InputError(
                f"{path}: cannot be read ({error}); remove it to start anew"
            ) from error
        if precision != self.precision:
            raise InputError(
                f"{path}: a run in {precision}, not {self.precision}; set `precision` in the recipe"
            )
        own = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
        try:
            model.load_state_dict(own)
        except RuntimeError as error:
            raise InputError(f"{path}: a run of another model; choose another folder") from error
        self._keep_log(step)
        return step, _moments(tensors)

    def _keep_log(self, step: int) -> None:
        assert self.folder is not None
        path = self.folder / LOG
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


def load_moments(optimiser: torch.optim.Optimizer, moments: Moments) -> None:
    trained = [p for group in optimiser.param_groups for p in group["params"]]
    own = {
        index: {name: devices.part(value, trained[index]) for name, value in of_one.items()}
        for index, of_one in moments.items()
    }
    optimiser.load_state_dict(optimiser.state_dict() | {"state": own})
