"""Records of a small hospital, and tables of labels about them."""

from collections.abc import Callable
from hashlib import shake_128
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from myocard.tasks.own import OwnTask
from myocard.tasks.own.making import make_task
from myocard.tasks.own.settings import OwnTaskSettings
from myocard.tasks.own.task import TaskInfo

Make = Callable[..., OwnTask]


def hospital(count: int = 120) -> pd.DataFrame:
    """Records 1 to ``count``, two of each patient, in folds 1 to 10."""
    number = np.arange(count)
    ids = [str(k + 1) for k in number]
    return pd.DataFrame(
        {
            "id": ids,
            "source": "ours",
            "patient": [f"p{k}" for k in number // 2],
            "fold": number // 2 % 10 + 1,
            "device": [("Alpha", "Beta", "Gamma")[k % 3] for k in number // 2],
            "site": [("north", "south")[k % 2] for k in number // 2],
            "age": 30.0 + number % 50,
            "sex": [("F", "M")[k % 2] for k in number // 4],
            "sha256": ids,
            "fingerprint": [shake_128(name.encode()).hexdigest(64) for name in ids],
        }
    )


@pytest.fixture
def records() -> pd.DataFrame:
    return hospital()


@pytest.fixture
def make(tmp_path: Path, records: pd.DataFrame) -> Make:
    """Make a task of a table (columns by name, or the text of a file)."""

    def made(table: object, folder: str = "task", file: str = "labels.csv", **settings) -> OwnTask:
        path = tmp_path / file
        if isinstance(table, (str, bytes)):
            path.write_bytes(table.encode() if isinstance(table, str) else table)
        else:
            pd.DataFrame(table).to_csv(path, index=False)
        records_of = settings.pop("records", records)
        asked = OwnTaskSettings(**{"id": "id", "target": "y", "kind": "binary"} | settings)
        return make_task(path, records_of, asked, tmp_path / folder)

    return made


@pytest.fixture
def info(tmp_path: Path) -> Callable[..., TaskInfo]:
    return lambda name="task": TaskInfo.read(tmp_path / name)


@pytest.fixture
def left_out(tmp_path: Path) -> Callable[..., pd.DataFrame]:
    return lambda name="task": pd.read_csv(tmp_path / name / "left_out.csv", dtype={"id": str})


def alternating(count: int = 120) -> list[int]:
    """A label that follows no patient, site or device."""
    return [int(shake_128(str(k).encode()).digest(1)[0] % 2) for k in range(count)]


@pytest.fixture
def table(records: pd.DataFrame) -> pd.DataFrame:
    """A clean table: a row for each record."""
    return pd.DataFrame({"id": records["id"], "y": alternating(len(records))})
