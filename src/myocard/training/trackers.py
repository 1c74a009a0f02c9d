"""Experiment trackers behind Lightning Fabric's ``Logger``: TensorBoard, and MLflow's client."""

import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from lightning_fabric.loggers import Logger, TensorBoardLogger
from matplotlib.figure import Figure

from myocard.errors import InputError
from myocard.training.tracking import Tracking

_BATCH = 1000
"""Metrics that MLflow takes at once."""
_LONGEST = 5000
"""Letters of a parameter."""
_KEY = "myocard.key"
_FOREIGN, _UNSAFE = re.compile(r"[^\w\-. /:]"), re.compile(r"[^\w.-]+")

_P = ParamSpec("_P")
_R = TypeVar("_R")


@runtime_checkable
class TrackerRun(Protocol):
    """A run in a tracker."""

    @property
    def id(self) -> str:
        """Its name in the tracker, by which it is opened again."""
        ...

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None: ...
    def log_hyperparams(self, params: dict[str, Any]) -> None: ...
    def log_figure(self, name: str, figure: Figure, step: int) -> None: ...
    def log_file(self, path: Path) -> None: ...
    def save(self) -> None: ...
    def finalize(self, status: str) -> None: ...


class TensorBoard(TensorBoardLogger):
    """A folder of TensorBoard's events.

    Args:
        folder: The folder.
        after: The last step that stays in a run that goes on: what lies beyond is logged anew. None
            for a new run.
    """

    def __init__(self, folder: Path, after: int | None) -> None:
        self.folder = folder
        purge = None if after is None else after + 1
        super().__init__(
            folder.parent, name="", version=folder.name, default_hp_metric=False, purge_step=purge
        )

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.folder.name

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]
        """Log parameters as a text; Fabric's own logs none without a metric to order runs by."""
        text = json.dumps(params, indent=2, default=str)
        self.experiment.add_text("settings", f"```json\n{text}\n```")

    def log_figure(self, name: str, figure: Figure, step: int) -> None:
        """Log a figure as a picture."""
        self.experiment.add_figure(name, figure, step)

    def log_file(self, path: Path) -> None:
        """Put a file beside the events."""
        self.save()
        shutil.copy(path, self.folder)


class MLflow(Logger):
    """A run of MLflow, by its client alone (``mlflow-skinny``).

    Metrics are sent by ``save``, as many at once as MLflow takes; steps that the run has already
    are left out.

    Args:
        client: MLflow's client.
        experiment: The experiment's name.
        run: The run.
    """

    def __init__(self, client: Any, experiment: str, run: str) -> None:
        self._client, self._experiment, self.id = client, experiment, run
        self._last: dict[str, int] = {}
        self._unsent: list[Any] = []

    @property
    def name(self) -> str:
        """The experiment's name."""
        return self._experiment

    @property
    def version(self) -> str:
        """The run's id."""
        return self.id

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Keep metrics of a step until ``save``."""
        from mlflow.entities import Metric

        now, at = int(time.time() * 1000), step or 0
        for key, value in metrics.items():
            named = _FOREIGN.sub("_", key)
            if at > self._last_step(named):
                self._unsent.append(Metric(named, value, now, at))
                self._last[named] = at

    def _last_step(self, key: str) -> int:
        if key not in self._last:
            history = self._client.get_metric_history(self.id, key)
            self._last[key] = max((point.step for point in history), default=-1)
        return self._last[key]

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]
        """Log parameters."""
        from mlflow.entities import Param

        told = [Param(_FOREIGN.sub("_", k), str(v)[:_LONGEST]) for k, v in params.items()]
        self._client.log_batch(self.id, params=told)

    def log_figure(self, name: str, figure: Figure, step: int) -> None:
        """Log a figure as an artifact of a step."""
        self._client.log_figure(self.id, figure, f"{name}/{step:08}.png")

    def log_file(self, path: Path) -> None:
        """Log a file as an artifact."""
        self._client.log_artifact(self.id, str(path))

    def save(self) -> None:
        """Send what was kept."""
        while self._unsent:
            self._client.log_batch(self.id, metrics=self._unsent[:_BATCH])
            del self._unsent[:_BATCH]

    def finalize(self, status: str) -> None:
        """Send what was kept, and end the run."""
        self.save()
        self._client.set_terminated(self.id, "FINISHED" if status == "success" else "FAILED")


def _reached(ask: Callable[_P, _R]) -> Callable[_P, _R]:
    """Say in one line what hinders a tracker."""

    @wraps(ask)
    def asked(*args: _P.args, **named: _P.kwargs) -> _R:
        try:
            return ask(*args, **named)
        except ModuleNotFoundError as error:
            raise InputError(f"--log: {error}; pip install 'myocard[track]'") from error
        # MLflow, and what it stands on, raise errors of many kinds.
        except Exception as error:
            raise InputError(f"--log: the tracker cannot be reached ({error})") from error

    return asked


@_reached
def open_tracker(
    tracking: Tracking,
    name: str,
    experiment: str,
    *,
    key: str = "",
    run: str | None = None,
    after: int = 0,
) -> TrackerRun:
    """Open a run in a tracker: a new one, or the one that a stopped job began.

    Args:
        tracking: The tracker.
        name: The run's name.
        experiment: What runs are gathered under.
        key: What ``is_logged`` knows it by.
        run: Its id, to go on with it.
        after: The last step that stays in a run that goes on.

    Raises:
        InputError: When its package is missing, or it cannot be reached.
    """
    if tracking.tracker == "tensorboard":
        if run is not None:
            return TensorBoard(_events(tracking) / run, after)
        return TensorBoard(_folder(tracking, name, experiment, key or os.urandom(4).hex()), None)
    client, number = _mlflow(tracking, experiment)
    if run is not None:
        client.update_run(run, status="RUNNING")
        return MLflow(client, experiment, run)
    made = client.create_run(number, run_name=name, tags={_KEY: key})
    return MLflow(client, experiment, made.info.run_id)


@_reached
def is_logged(tracking: Tracking, name: str, experiment: str, key: str) -> bool:
    """Tell whether a run of this key was logged, all of it.

    Raises:
        InputError: When the tracker's package is missing, or it cannot be reached.
    """
    if tracking.tracker == "tensorboard":
        return any(_folder(tracking, name, experiment, key).glob("*.json"))
    client, number = _mlflow(tracking, experiment)
    wanted = f"tags.`{_KEY}` = '{key}' and attributes.status = 'FINISHED'"
    return len(client.search_runs([number], wanted, max_results=1)) > 0


def _events(tracking: Tracking) -> Path:
    return tracking.place / "tensorboard"


def _folder(tracking: Tracking, name: str, experiment: str, key: str) -> Path:
    return _events(tracking) / f"{experiment}-{_UNSAFE.sub('-', name)}-{key[:8]}"


def _mlflow(tracking: Tracking, experiment: str) -> tuple[Any, str]:
    """MLflow's client, and the number of an experiment, which is made where it is not there."""
    # No word of what is done here goes to anybody.
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    # By default it asks a server that is away for minutes, each time.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    from mlflow.tracking import MlflowClient

    for noisy in ("alembic", "mlflow"):  # Their import sets levels.
        logging.getLogger(noisy).setLevel(logging.WARNING)
    uri, artifacts = os.environ.get("MLFLOW_TRACKING_URI"), None
    if not uri:
        place = tracking.place.absolute()
        place.mkdir(parents=True, exist_ok=True)
        uri, artifacts = f"sqlite:///{place / 'mlflow.db'}", (place / "artifacts").as_uri()
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if found is not None:
        return client, found.experiment_id
    return client, client.create_experiment(experiment, artifact_location=artifacts)
