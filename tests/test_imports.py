"""Importing the package reaches no network, whatever it imports itself."""

import subprocess
import sys

CODE = """
import importlib, pkgutil, socket

def refuse(*address, **options):
    raise AssertionError(f"a connection was tried: {address}")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
import myocard

for module in pkgutil.walk_packages(myocard.__path__, "myocard."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_no_module_connects_to_anything_when_it_is_imported():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


PREDICTION = """
import sys
import myocard
import numpy as np
from myocard.leads import LEADS

signal = np.random.default_rng(0).normal(size=(12, 5000))
record = myocard.Record.from_array(signal, 500, leads=LEADS, unit="mV")
myocard.from_pretrained().hidden_states(record)
"""
TOO_SLOW = (
    "pandas pyarrow scipy.signal scipy.stats sympy sklearn matplotlib lightning_fabric joblib"
)


def test_a_first_prediction_does_not_wait_for_what_only_the_rest_needs():
    told = f"print({{*{TOO_SLOW.split()}}} & {{*sys.modules}}, len(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", PREDICTION + told], capture_output=True, text=True, check=True
    )
    slow, count = done.stdout.split()
    assert slow == "set()"
    # torch alone is 1,100 of them.
    assert int(count) < 1600


def test_every_public_name_is_there_and_records_and_figures_do_not_wait_for_torch():
    code = (
        "import sys, myocard\n"
        "assert 'torch' not in sys.modules\n"
        "assert myocard.read and 'torch' not in sys.modules\n"
        "assert 'matplotlib' not in sys.modules\n"
        "assert myocard.plot.gains and 'torch' not in sys.modules\n"
        "print(*[name for name in myocard.__all__ if not getattr(myocard, name)])\n"
        "myocard.nothing"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == ""
    assert done.stderr.endswith("module 'myocard' has no attribute 'nothing'\n"), done.stderr
