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


def test_a_prediction_does_not_wait_for_what_only_the_rest_needs():
    slow = ("scipy.signal", "scipy.stats", "sklearn", "matplotlib", "lightning_fabric")
    code = f"import myocard.models.model, sys; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


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
