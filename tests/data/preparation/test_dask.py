"""Prepared by the workers of a Dask cluster, a store has the bytes that one process writes."""

from pathlib import Path

import pytest
from joblib import parallel_config

from myocard.data.preparation import Wanted, parts, prepare
from myocard.leads import LEADS

distributed = pytest.importorskip("distributed", reason="needs `pip install distributed`")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_dask_cluster_writes_the_same_bytes(make_entry, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(parts, "PART", 2)
    found = [make_entry(str(number), codes=("scp:NORM",)) for number in range(7)]
    wanted = Wanted(100, 10.0, LEADS)
    prepare(found, tmp_path / "alone", wanted, source="test", jobs=1)
    local = {"processes": False, "n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.Client(**local) as client, parallel_config(backend="dask"):
        prepare(found, tmp_path / "cluster", wanted, source="test")
        executed = [worker.state.executed_count for worker in client.cluster.workers.values()]
    assert sum(executed) > 0
    assert content(tmp_path / "cluster") == content(tmp_path / "alone")
