"""A function that the user names makes an encoder, or it is said in one line why not."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from myocard.encoders.functions import load_function, names_function
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError

OWN = """
import torch
import myocard

number = 3

def encoder():
    module = torch.nn.Sequential(torch.nn.Conv1d(12, 8, 10, 10), torch.nn.Conv1d(8, 8, 3))
    expected = myocard.Preprocessing(100, 100)
    return myocard.wrap(module, layers="?", order="batch width tokens", input=expected)

def network():
    return torch.nn.Linear(2, 2)

def lost():
    return torch.load("nowhere.pt")
"""


@pytest.fixture
def place(tmp_path, monkeypatch) -> Iterator[Path]:
    """A working folder with modules of the user's, of names that nobody else uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "ownpackage").mkdir()
    (tmp_path / "ownpackage" / "models.py").write_text(OWN)
    (tmp_path / "ownbroken.py").write_text("import nothing_of_that_name")
    (tmp_path / "ownunfinished.py").write_text("def encoder(:")
    (tmp_path / "wfdb.py").write_text("encoder = None")
    yield tmp_path
    for name in [*sys.modules]:
        if name.startswith("own"):
            del sys.modules[name]


def test_a_function_of_the_working_folder_makes_an_encoder(place):
    encoder = load_function("ownpackage.models:encoder")
    assert isinstance(encoder, ECGEncoder)
    assert [layer.name for layer in encoder.layers] == ["0", "1"]
    assert load_function("ownpackage.models:encoder").input == encoder.input


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "ownlost:encoder",
            r"^ownlost:encoder: ownlost cannot be imported \(ModuleNotFoundError: No",
        ),
        (
            "ownbroken:encoder",
            r"ownbroken cannot be imported \(ModuleNotFoundError: .*'nothing_of_t",
        ),
        ("ownunfinished:encoder", r"ownunfinished cannot be imported \(SyntaxError"),
        ("ownpackage.models:decoder", r"models:decoder: no decoder in .*ownpackage/models\.py$"),
        ("ownpackage.models:number", r"number in .*models\.py is 3; name a function"),
        ("ownpackage.models:network", "gives Linear and no encoder; return what myocard.wrap does"),
        ("ownpackage.models:lost", "ownpackage.models:lost: FileNotFoundError: .*nowhere.pt"),
        ("wfdb:encoder", r"no encoder in .*site-packages/wfdb/__init__\.py"),
    ],
)
def test_what_is_wrong_with_a_function_is_told(place, named, message):
    with pytest.raises(InputError, match=message):
        load_function(named)


def test_a_function_is_told_from_paths_and_names(place):
    (place / "own:encoder").touch()
    assert names_function("package.module:function")
    paths = ["encoder", "./own:a", "s3://bucket", "C:\\own", "owner/name", "own:", "own:encoder"]
    assert not any(map(names_function, paths))
