"""Trackers say what the logs and runs on disk say, each step once."""

import json
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from written_runs import write_run

from myocard.errors import InputError
from myocard.evaluation.tracked import track_runs
from myocard.files.atomic import work_folder
from myocard.pretraining.pretrain import pretrain
from myocard.recipe import CorpusPart, InputSettings, Optimisation, PretrainRecipe
from myocard.results.run import Run
from myocard.training.state import LOG, Step
from myocard.training.tracking import Follower, Tracking

# SQLAlchemy's notice of how MLflow uses it.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:DeprecationWarning")
STEPS, SAVED = 5, (2, 4, 5)
LOGGED = ("loss", "learning_rate", "gradient_norm", "seconds")


class Stopped(Exception):
    """A power failure."""


@pytest.fixture(autouse=True)
def _nobody_is_called(monkeypatch):
    """No tracker asks the network, telemetry included."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    called = []
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, lambda *address: called.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: called.append(address))
    yield
    assert called == []


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="module")
def recipe() -> PretrainRecipe:
    return PretrainRecipe(
        name="nano-test",
        corpus=(CorpusPart(folds=(1, 2, 3, 4, 5, 6, 7, 8)),),
        input=InputSettings(leads=("II", "V2")),
        size="nano",
        optimisation=Optimisation(
            epochs=2.5, batch=20, base_learning_rate=1e-2, weight_decay=0.01, precision="fp32",
            checkpoint_every=2,
        ),
    )  # fmt: skip


def client(place: Path):
    from mlflow.tracking import MlflowClient

    return MlflowClient(f"sqlite:///{place / 'mlflow.db'}")


def runs_in_mlflow(place: Path, experiment: str, name: str = "nano-test") -> list:
    found = client(place).get_experiment_by_name(experiment)
    runs = client(place).search_runs([found.experiment_id])
    return [run for run in runs if run.info.run_name == name]


def mlflow_points(place: Path, key: str, name: str = "nano-test") -> list[tuple[int, float]]:
    (run,) = runs_in_mlflow(place, "training", name)
    history = client(place).get_metric_history(run.info.run_id, key)
    return sorted((point.step, point.value) for point in history)


def events(place: Path, experiment: str) -> EventAccumulator:
    (folder,) = (place / "tensorboard").glob(f"{experiment}-*")
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0})
    found.Reload()
    return found


def tensorboard_points(place: Path, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in events(place, "training").Scalars(key)]


def pictures(place: Path, tracker: str) -> list[int]:
    if tracker == "tensorboard":
        return [image.step for image in events(place, "training").Images("reconstruction")]
    (run,) = runs_in_mlflow(place, "training")
    found = client(place).list_artifacts(run.info.run_id, "reconstruction")
    return sorted(int(Path(each.path).stem) for each in found)


@pytest.fixture(scope="module")
def untracked(recipe, store, tmp_path_factory) -> dict[str, torch.Tensor]:
    """The weights of a training that nothing looked at."""
    out = tmp_path_factory.mktemp("untracked") / "out"
    return pretrain(recipe, {"some": store}, out).encoder.network.state_dict()


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_a_stopped_training_goes_on_in_its_run_with_each_step_once(
    tracker, recipe, store, place, untracked, tmp_path
):
    tracking, out = Tracking(tracker, place), tmp_path / "out"

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        pretrain(recipe, {"some": store}, out, progress=stop, tracking=tracking)
    begun = json.loads((work_folder(out) / f"{tracker}.json").read_text())
    assert begun["step"] == 2
    made = pretrain(recipe, {"some": store}, out, tracking=tracking)

    lines = [json.loads(line) for line in (out / LOG).read_text().splitlines()]
    points = mlflow_points if tracker == "mlflow" else tensorboard_points
    for name in LOGGED:
        found = points(place, f"training/{name}")
        assert [step for step, _ in found] == [*range(1, STEPS + 1)]
        values = np.float32 if tracker == "tensorboard" else np.float64
        assert [values(line[name]) for line in lines] == [value for _, value in found]
    speed = points(place, "training/records_per_second")
    for line, (_, records) in zip(lines, speed, strict=True):
        assert records * line["seconds"] == pytest.approx(20)
    ranks = points(place, "effective_rank/layer_02")
    assert [step for step, _ in ranks] == [*SAVED]
    assert pictures(place, tracker) == [*SAVED]
    last = points(place, f"effective_rank/layer_{len(made.encoder.layers) - 1:02}")[-1][1]
    assert last == pytest.approx(made.encoder.origin.effective_rank.value, abs=0.005)
    assert all(torch.equal(untracked[k], v) for k, v in made.encoder.network.state_dict().items())
    if tracker == "mlflow":
        (run,) = runs_in_mlflow(place, "training")
        assert (run.info.run_id, run.info.status) == (begun["run"], "FINISHED")
        assert run.data.params["optimisation.batch"] == "20"
        assert run.info.run_name == "nano-test"


def follower(place: Path, folder: Path) -> Follower:
    return Follower(Tracking("mlflow", place), folder, "by hand", {}, records=8)


def test_a_tracker_that_cannot_be_reached_is_sent_later_what_it_lacks(place, tmp_path, caplog):
    def log(step: int) -> Step:
        line = {"step": step, "loss": 1 / step, "seconds": 0.5}
        with (tmp_path / LOG).open("a") as file:
            file.write(json.dumps(line) + "\n")
        return Step(step, 9, 1 / step, 0.1, 1.0, 0.5)

    with follower(place, tmp_path) as one:
        sends = one.run.save
        one.run.save = lambda: (_ for _ in ()).throw(OSError("no route"))
        one.follow(log(1))
        assert "cannot be reached (no route)" in caplog.text
        one.run.save = sends
        one.follow(log(2))
    # What was logged while nothing followed is sent as well.
    third = log(3)
    with follower(place, tmp_path) as two:
        two.follow(third)
        assert two.run.id == one.run.id
    assert mlflow_points(place, "training/loss", "by hand") == [(1, 1.0), (2, 0.5), (3, 1 / 3)]


@pytest.mark.parametrize("tracker", ["tensorboard", "mlflow"])
def test_evaluation_runs_are_logged_once_with_metrics_and_files(tracker, place, tmp_path):
    for layer in (0, 1):
        write_run(tmp_path / f"layer-{layer}", "layer", layer=layer)
    tracking = Tracking(tracker, place)
    assert track_runs(tracking, [tmp_path / "layer-1"]) == 1
    wanted = Run.read(tmp_path / "layer-1").test.main.macro
    ends = {"": wanted.value, "_low": wanted.low, "_high": wanted.high}
    if tracker == "mlflow":
        (run,) = runs_in_mlflow(place, "evaluation", "small/ptbxl-superdiagnostic/layer-1")
        for end, value in ends.items():
            assert run.data.metrics[f"test/auroc{end}"] == value
        assert run.data.params["readout"] == "layer"
        assert run.data.params["layer"] == "1"
        artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
        assert (artifacts / "run.json").read_bytes() == (
            tmp_path / "layer-1" / "run.json"
        ).read_bytes()
        assert (artifacts / "layer_curve" / "00000000.png").exists()
    else:
        found = events(place, "evaluation")
        for end, value in ends.items():
            assert found.Scalars(f"test/auroc{end}")[0].value == np.float32(value)
        assert found.Images("layer_curve")
    assert track_runs(tracking, [tmp_path]) == 1
    assert track_runs(tracking, [tmp_path]) == 0


def test_what_cannot_track_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mlflow.tracking", None)
    with pytest.raises(InputError, match=r"pip install 'myocard\[track\]'"):
        Follower(Tracking("mlflow", tmp_path), tmp_path, "any", {}, records=1)
