"""A store that many workers prepare has the bytes of one process, even if one is killed."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from time import sleep

import pytest
from joblib import parallel_config

from myocard.data.preparation import Wanted, parts, prepare
from myocard.files.atomic import replace_file
from myocard.leads import LEADS
from myocard.simulation import entries

Pids = Callable[[], list[int]]
WANTED = Wanted(100, 10.0, LEADS)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def listed(*which: str) -> list[int]:
    found = subprocess.run(["pgrep", *which], capture_output=True, text=True, check=True)
    return [int(line) for line in found.stdout.split()]


@contextmanager
def loky() -> Iterator[Pids]:
    yield partial(listed, "--parent", str(os.getpid()), "-f", "loky.backend.popen")


@contextmanager
def dask() -> Iterator[Pids]:
    distributed = pytest.importorskip("distributed", reason="needs `pip install distributed`")
    local = {"n_workers": 3, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster):
        yield lambda: [each.pid for each in cluster.workers.values()]


@contextmanager
def ray() -> Iterator[Pids]:
    found = pytest.importorskip("ray", reason="needs `pip install ray`")
    from ray.util.joblib import register_ray

    found.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    register_ray()
    try:
        yield partial(listed, "-f", "ray::PoolActor")
    finally:
        found.shutdown()


def kill_one(pids: Pids, part: Path) -> None:
    """Kill a worker once there is a part."""
    while not part.exists():
        sleep(0.01)
    os.kill(pids()[0], signal.SIGKILL)


@pytest.mark.parametrize("cluster", [loky, dask, ray])
def test_a_cluster_that_loses_a_worker_writes_the_same_bytes(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(parts, "PART", 10)
    found = entries(300, 0)
    prepare(found, tmp_path / "alone", WANTED, source="test", jobs=1)
    first = tmp_path / ".store.partial" / "part-000000.npz"
    with cluster() as pids, parallel_config(backend=cluster.__name__):
        killer = Thread(target=kill_one, args=(pids, first), daemon=True)
        killer.start()
        prepare(found, tmp_path / "store", WANTED, source="test", jobs=3)
        killer.join(timeout=1)
        assert not killer.is_alive()
    assert content(tmp_path / "store") == content(tmp_path / "alone")


def test_what_fails_again_ends_the_work(tmp_path, monkeypatch):
    asked: list[str] = []

    def write(path: Path, content) -> None:
        asked.append(path.name)
        if path.name != "part-000000.npz":
            raise OSError("no space left on device")
        replace_file(path, content)

    monkeypatch.setattr(parts, "PART", 10)
    monkeypatch.setattr(parts, "replace_file", write)
    with pytest.raises(OSError, match="no space"):
        prepare(entries(30, 0), tmp_path / "store", WANTED, source="test", jobs=1)
    assert asked == ["part-000000.npz", "part-000001.npz", "part-000001.npz"]
