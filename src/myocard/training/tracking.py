"""A training in an experiment tracker, which mirrors the log of its steps."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from myocard.files.atomic import replace_file
from myocard.training import devices
from myocard.training.state import LOG, Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from myocard.training.trackers import TrackerRun

LOGGER = logging.getLogger(__name__)
FOLDER = Path("tracking")
"""Folder of local trackers: in the working folder, as that of a run is there when it is done."""


@dataclass(frozen=True)
class Tracking:
    """A tracker, and the folder of local ones."""

    tracker: Literal["tensorboard", "mlflow"]
    place: Path = FOLDER


class Observed(NamedTuple):
    """Numbers and figures of a model beside its steps, by name."""

    numbers: Mapping[str, float] = {}
    figures: "Mapping[str, Figure]" = {}


class Follower:
    """The mirror of a training's log in a tracker; use it as a context.

    The lines of ``log.jsonl`` are sent, so that tracker and log say the same, and a run that was
    stopped goes on without a gap or a step twice. A tracker that cannot be reached in the
    middle holds nothing up: what it lacks is sent with the next state that is saved.

    Args:
        tracking: The tracker.
        folder: The folder of the training's state; the run's id in the tracker is kept there.
        name: The run's name in the tracker.
        params: Settings of the training.
        records: Records that a step sees.
        observe: Measures the model; called whenever its state was saved.

    Raises:
        InputError: When the tracker's package is missing, or it cannot be reached.
    """

    def __init__(
        self,
        tracking: Tracking,
        folder: Path,
        name: str,
        params: Mapping[str, Any],
        *,
        records: int,
        observe: Callable[[], Observed] = Observed,
    ) -> None:
        from myocard.training.trackers import open_tracker

        self.log, self.records, self.observe = folder / LOG, records, observe
        self.state = folder / f"{tracking.tracker}.json"
        folder.mkdir(parents=True, exist_ok=True)
        known = json.loads(self.state.read_text()) if self.state.exists() else {}
        self.sent: int = known.get("step", 0)
        self.read = 0  # bytes of the log
        run = known.get("run")
        self.run: TrackerRun = open_tracker(tracking, name, "training", run=run, after=self.sent)
        if run is None:
            self.run.log_hyperparams(flat(params))
            self._note()

    def __enter__(self) -> "Follower":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._try(lambda: self.run.finalize("failed" if kind else "success"))

    def follow(self, done: Step) -> None:
        """Send the steps that were saved since the last call."""
        if not self.log.exists() or self.log.stat().st_size == self.read:
            return
        content = self.log.read_bytes()
        lines = [json.loads(line) for line in content[self.read :].splitlines()]
        new = [line for line in lines if line["step"] > self.sent]
        saved_now = bool(new) and new[-1]["step"] == done.step
        observed = self.observe() if saved_now else Observed()

        def send() -> None:
            for line in new:
                self.run.log_metrics(self._metrics(line), line["step"])
            for name, figure in observed.figures.items():
                self.run.log_figure(name, figure, done.step)
            self.run.log_metrics(dict(observed.numbers), done.step)
            self.run.save()
            self.read, self.sent = len(content), max([self.sent, *(line["step"] for line in new)])
            self._note()

        self._try(send)

    def _metrics(self, line: Mapping[str, float]) -> dict[str, float]:
        seconds = line["seconds"]
        speed = {"records_per_second": self.records / seconds} if seconds else {}
        numbers = {name: value for name, value in line.items() if name != "step"}
        return {f"training/{name}": value for name, value in (numbers | speed).items()}

    def _note(self) -> None:
        text = json.dumps({"run": self.run.id, "step": self.sent})
        replace_file(self.state, lambda fresh: fresh.write_text(text))

    def _try(self, send: Callable[[], object]) -> None:
        try:
            send()
        # Clients of trackers raise errors of many kinds, and none should end a training.
        except Exception as error:
            LOGGER.warning("the tracker cannot be reached (%s); it is tried again", error)


@contextmanager
def following(
    tracking: Tracking | None, folder: Path, name: str, params: Mapping[str, Any], **more: Any
) -> Iterator[Callable[[Step], None]]:
    """Mirror a training within a ``with`` block, which is given what to call after every step.

    Args:
        tracking: The tracker; None, or in another process than the first, for none.
        folder: As ``Follower`` takes it.
        name: As ``Follower`` takes it.
        params: As ``Follower`` takes them.
        more: What ``Follower`` takes besides.

    Raises:
        InputError: As ``Follower``.
    """
    if tracking is None or not devices.is_first():
        yield lambda done: None
        return
    with Follower(tracking, folder, name, params, **more) as follower:
        yield follower.follow


def flat(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings within settings as one level, names joined by dots; what is not set left out."""
    found: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[f"{prefix}{name}"] = (
                value if isinstance(value, bool | int | float) else str(value)
            )
    return found
