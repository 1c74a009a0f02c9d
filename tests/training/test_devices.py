"""Two processes make what one makes, and a process that dies ends the job, which goes on later."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from myocard.data.store import Store
from myocard.errors import InputError
from myocard.evaluation import features, parts
from myocard.files.atomic import work_folder
from myocard.models.checkpoint import load_encoder
from myocard.pretraining.pretrain import pretrain
from myocard.recipe import PretrainRecipe, read_recipe
from myocard.training.devices import fabric, is_first, part, require_alone, shared_step, whole

RECIPE = """
name = "small"
size = "nano"
corpus = [{ store = "some", folds = [1, 2, 3, 4, 5, 6] }]
input = { leads = ["II", "V2"] }
[optimisation]
epochs = 5
batch = 6
accumulate = 2
base_learning_rate = 1e-2
weight_decay = 0.01
precision = "fp32"
checkpoint_every = 1
"""


def shared(work: Callable[[], object]) -> None:
    """Let two processes do ``work`` as torchrun would have them, but import nothing anew."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def rank(number: int) -> None:
        os.environ |= {"RANK": str(number), "LOCAL_RANK": str(number), "MASTER_PORT": str(port)}
        os.environ |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
        os.environ |= {"MASTER_ADDR": "localhost", "TORCHELASTIC_RUN_ID": "none"}
        torch.set_num_threads(1)  # a fork has no threads of its parent's
        work()
        torch.distributed.destroy_process_group()

    forks = [get_context("fork").Process(target=rank, args=[number]) for number in range(2)]
    for fork in forks:
        fork.start()
    for fork in forks:
        fork.join(100)
        assert fork.exitcode == 0


def losses(folder: Path) -> list[float]:
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(autouse=True)
def forks_are_meant() -> Iterator[None]:
    with warnings.catch_warnings():
        # Python 3.12 warns of forks beside threads; these have one of their own.
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipes") / "small.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture(scope="module")
def alone(recipe: Path, store: Store, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "made"
    pretrain(read_recipe(recipe, PretrainRecipe), {"some": store}, folder)
    return folder


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_encoder(folder).network.state_dict()


def test_a_killed_process_ends_the_job_and_two_go_on_to_what_one_learns(
    recipe, store, alone, tmp_path
):
    out = tmp_path / "out"
    state = work_folder(out) / "training.safetensors"
    command = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "myocard",
        "pretrain",
    ]
    job = subprocess.Popen(
        [sys.executable, *command, recipe, "--store", f"some={store.folder}", "--out", out],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
    while not state.exists():
        assert job.poll() is None, job.stderr.read()
        time.sleep(0.01)
    children = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, told = job.communicate(timeout=100)
    assert job.returncode != 0
    assert "Signal 9 (SIGKILL)" in told
    assert not out.exists()

    settings = read_recipe(recipe, PretrainRecipe)
    shared(lambda: pretrain(settings, {"some": store}, out))
    np.testing.assert_allclose(losses(out), losses(alone), rtol=1e-4)
    expected = weights_of(alone)
    for name, weight in weights_of(out).items():
        assert torch.allclose(weight, expected[name], atol=1e-4), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def require_parts() -> None:
    """Require that a module is shared out: a process keeps half of it, and can have it whole."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 6)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fabric(sharded=True).setup_module(model)
    for name, value in model.named_parameters():
        assert value.to_local().numel() == value.numel() / 2
        assert torch.equal(whole(value), before[name])
        assert torch.equal(part(before[name], value).to_local(), value.to_local())


def test_a_run_goes_from_one_process_to_two_that_share_its_weights_and_back(
    recipe, store, alone, tmp_path
):
    settings, out, stores = read_recipe(recipe, PretrainRecipe), tmp_path / "out", {"some": store}

    def stop(what: str, done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    def copy(what: str, done: int, total: int) -> None:
        if done == 6:
            left = shutil.ignore_patterns(".lock", "new")
            shutil.copytree(work_folder(out), work_folder(tmp_path / "back"), ignore=left)

    def go_on() -> None:
        require_parts()
        pretrain(settings, stores, out, progress=copy, fsdp=True)

    with pytest.raises(KeyboardInterrupt):
        pretrain(settings, stores, out, progress=stop)
    shared(go_on)
    pretrain(settings, stores, tmp_path / "back")
    expected = weights_of(alone)
    for made in (out, tmp_path / "back"):
        np.testing.assert_allclose(losses(made), losses(alone), rtol=1e-4)
        for name, weight in weights_of(made).items():
            assert torch.allclose(weight, expected[name], atol=1e-4), name


def test_two_processes_extract_what_one_extracts(encoder, store, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART", 16)
    features.extract(encoder, store, tmp_path / "one")
    shared(lambda: features.extract(encoder, store, tmp_path / "two"))
    one, two = (features.Features.open(tmp_path / name) for name in ("one", "two"))
    untimed = {"seconds": None}
    assert one.info.model_copy(update=untimed) == two.info.model_copy(update=untimed)
    for path in (tmp_path / "one").iterdir():
        if path.name != "features.json":
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_no_process_goes_on_before_the_folder_is_there_and_it_is_made_once(tmp_path):
    out, inputs, told = tmp_path / "out", {"seed": 3}, tmp_path / "told"

    def make(fresh: Path, work: Path) -> None:
        fabric()
        with told.open("a") as file:
            file.write("made\n")
        if is_first():
            time.sleep(1)  # as writing a large folder would
            (fresh / "content").write_text("all of it")

    def work() -> None:
        assert shared_step(out, inputs, make)
        assert (out / "content").read_text() == "all of it"
        assert not shared_step(out, inputs, make)
        with pytest.raises(InputError, match="seed is 3, not 4"):
            shared_step(out, {"seed": 4}, make)

    shared(work)
    assert told.read_text() == "made\nmade\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "told"]


def test_what_cannot_be_shared_is_refused(recipe, store, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(InputError, match="myocard probe runs in one process, and torchrun started"):
        require_alone("myocard probe")
    settings = read_recipe(recipe, PretrainRecipe)
    with pytest.raises(InputError, match="the 2 forward passes of a step .* among 3 processes"):
        pretrain(settings, {"some": store}, tmp_path / "none")
    assert not (tmp_path / "none").exists()
