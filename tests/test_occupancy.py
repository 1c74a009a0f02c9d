"""One process at a time writes a folder, and a dead one does not stand in the way."""

import signal
import subprocess
import sys

import pytest

from myocard.errors import InputError
from myocard.occupancy import occupied

HOLD = """
import sys, time
from pathlib import Path
from myocard.occupancy import occupied
with occupied(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_free_again_after_the_block(tmp_path):
    for _ in range(2):
        with occupied(tmp_path / "new"):
            assert (tmp_path / "new").is_dir()


def test_another_process_is_refused_until_the_first_is_gone_even_by_kill(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    assert first.stdout is not None
    with first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"{tmp_path}: another process"), occupied(tmp_path):
            pass
        first.send_signal(signal.SIGKILL)
    with occupied(tmp_path):
        pass
