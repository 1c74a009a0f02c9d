"""Files as hospitals export them, against the values that shared data say they hold."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from writing.signals import whole

from myocard.data.formats import rhythm
from myocard.data.formats.found import HEAD, Found
from myocard.data.formats.reading import FORMATS
from myocard.errors import InputError
from myocard.leads import LEADS, canonical

_FOLDER = Path(os.environ.get("MYOCARD_DATA", "")) / "clinical"
_STATED = sorted(_FOLDER.rglob("*.expected.json")) if "MYOCARD_DATA" in os.environ else []
_SEXES = {"male": "M", "female": "F", None: None}


@pytest.mark.parametrize("stated", _STATED or [Path()], ids=lambda path: path.name)
def test_a_hospitals_file_holds_what_is_known_of_it(
    real_data: Path, stated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = json.loads(stated.read_text())
    path = stated.with_name(expected["file"])
    read = [each.read for each in FORMATS if each.starts(path.read_bytes()[:HEAD])]
    if not read:
        pytest.skip(f"{expected['format']} is not read yet")
    if expected["verdict"] == "refuse":
        with pytest.raises(InputError, match=path.name):
            read[0](path)
        return
    found = read[0](path)
    assert found.rate == expected["rate_hz"]
    assert (found.facts.age, found.facts.sex) == (expected["age"], _SEXES[expected["sex"]])
    assert list(found.facts.statements) == expected["statements"]
    # The values were noted before the calibration pulse is cut.
    monkeypatch.setattr(rhythm, "_without_pulse", lambda signal, rate: (signal, ()))
    uncut = read[0](path)
    _check_samples(uncut, expected)
    signal, all_samples = whole(found), whole(uncut)
    kept = signal.shape[1]
    assert kept == all_samples.shape[1] or "calibration pulse" in expected["warning"]
    assert np.array_equal(signal, all_samples[:, :kept])


def _check_samples(found: Found, expected: dict[str, Any]) -> None:
    assert found.leads is not None
    leads = [canonical(lead) for lead in found.leads]
    stored, signal = expected["leads_in_file"], whole(found)
    assert leads[: len(stored)] == stored
    assert signal.shape[1] == expected["samples_per_lead"]
    steps = np.reshape(expected["mv_per_stored_step"], (-1, 1))
    counts = np.rint(signal[: len(stored)] / steps)
    assert _sha256(counts, "<i4") == expected["sha256_int32_as_stored"]
    twelve = signal[[leads.index(lead) for lead in LEADS]]
    assert _sha256(twelve, "<f4") == expected["sha256_float32_12xN"]


def _sha256(values: np.ndarray, kind: str) -> str:
    return hashlib.sha256(values.astype(kind).tobytes()).hexdigest()


def test_a_pulse_at_the_end_is_cut_and_named(real_data: Path) -> None:
    read = {each.name: each.read for each in FORMATS}["Philips Sierra XML"]
    found = read(real_data / "clinical" / "philips" / "philips_103.XML")
    assert found.signal.shape[1] == 5000
    assert found.facts.assumed == ("last 1 s cut: a calibration pulse in each lead, no ECG",)
