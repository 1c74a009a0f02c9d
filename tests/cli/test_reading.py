"""`myocard read` says what is in a file, and nothing that tells who it is of."""

from pathlib import Path

import numpy as np
import pytest

from myocard.data.formats import reading
from myocard.data.formats.found import Format, Found
from myocard.record import Facts

FACTS = Facts(
    age=67.0,
    sex="F",
    device="Cart 9",
    statements=("Sinus rhythm", "Seen by Mrs. Roe"),
    measurements={"pr_ms": 162.0},
    identifiers={"name": "Jane Roe", "id": "4711"},
    assumed=("III computed from I and II",),
)


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    def read(path: Path) -> Found:
        return Found(np.tile(np.arange(500.0) % 50, (2, 1)) / 50, 250.0, ("I", "II"), "mV", FACTS)

    known = Format("Strange", lambda head: head.startswith(b"STRANGE"), read)
    monkeypatch.setattr(reading, "FORMATS", (known,))
    path = tmp_path / "ecg.bin"
    path.write_bytes(b"STRANGE")
    return path


def test_it_prints_what_is_known_and_names_only_what_identifies(strange, myocard):
    code, said, _ = myocard("read", strange)
    assert code == 0
    lines = [line.split(maxsplit=1) for line in said.splitlines()]
    assert lines == [
        ["format", "Strange"],
        ["leads", "I, II"],
        ["rate", "250 Hz"],
        ["length", "2 s, 500 samples"],
        ["values", "0 to 0.98 mV"],
        ["quality", "saturated: in I, II"],
        ["age", "67"],
        ["sex", "F"],
        ["device", "Cart 9"],
        ["pr_ms", "162"],
        ["statement", "Sinus rhythm"],
        ["statement", "(names the patient, not shown)"],
        ["identifiers", "name, id (not shown)"],
        ["assumed", "III computed from I and II"],
    ]


def test_it_draws_the_record_on_paper(strange, tmp_path, myocard):
    sheet = tmp_path / "sheet.svg"
    code, said, _ = myocard("read", strange, "--svg", sheet)
    assert code == 0
    assert sheet.read_text().startswith("<svg")
    assert str(sheet) in said


def test_a_sheet_is_called_as_it_is_asked_for(strange, tmp_path, myocard):
    code, _, told = myocard("read", strange, "--png", tmp_path / "sheet.svg")
    assert code != 0
    assert "call it sheet.png" in told


def test_a_file_of_no_format_is_one_line(tmp_path, myocard):
    path = tmp_path / "a.bin"
    path.write_bytes(b"nothing")
    code, _, told = myocard("read", path)
    assert code != 0
    assert told.startswith(f"myocard: {path}: unknown format; readable are")
