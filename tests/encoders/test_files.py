"""A published file is read, or refused in one sentence; nothing in it is run."""

import json
import os
import pickle
import re
import struct
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from myocard.encoders.files import read_content
from myocard.encoders.tensors import part
from myocard.errors import InputError

MANY = 10**9


class Config:
    """A value that a trainer pickles beside its weights."""

    def __init__(self) -> None:
        self.heads = np.int64(2)


class Evil:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.system, ("touch executed",)


def content() -> dict[str, object]:
    weights = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.tensor([1, 2]))
    weights["c"] = weights["a"].T
    return {"state_dict": weights, "config": {"heads": 2, "names": ["x", None, 1.5, True]}}


def rewrite(
    file: Path, edit: Callable[[str, bytes], bytes] = lambda name, held: held, *more: str,
    method: int = ZIP_STORED,
) -> None:  # fmt: skip
    """Write a torch file anew, its records edited."""
    with ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with ZipFile(file, "w", method) as archive:
        for name in [*records, *more]:
            archive.writestr(name, edit(name, records.get(name, b"")))


def pickled(replaced: bytes, by: bytes) -> Callable[[str, bytes], bytes]:
    def edit(name: str, held: bytes) -> bytes:
        if name.endswith("data.pkl"):
            assert held.count(replaced) == 1
            return held.replace(replaced, by)
        return held

    return edit


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.save(content(), tmp_path / "good.pt")
    return tmp_path / "good.pt"


@pytest.fixture
def lone(tmp_path, monkeypatch) -> Path:
    """A torch file with one tensor of ten elements."""
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.arange(10.0)}, tmp_path / "lone.pt")
    return tmp_path / "lone.pt"


def test_tensors_and_plain_values_come_back(file):
    found, given = read_content(file), content()
    assert found["config"] == given["config"]
    assert found["state_dict"].keys() == given["state_dict"].keys()
    for name, value in given["state_dict"].items():
        assert torch.equal(found["state_dict"][name], value)


def test_safetensors_and_the_hubs_folder_come_back(tmp_path):
    weights = {"a": torch.arange(6.0)}
    save_file(weights, tmp_path / "model.safetensors")
    assert torch.equal(read_content(tmp_path / "model.safetensors")["a"], weights["a"])
    (tmp_path / "config.json").write_text('{"heads": 2}')
    found = read_content(tmp_path)
    assert found.keys() == {"config", "model"}
    assert found["config"] == {"heads": 2}
    assert torch.equal(found["model"]["a"], weights["a"])


def test_a_folder_with_one_file_is_that_file(file, tmp_path):
    (tmp_path / "notes.txt").touch()
    assert read_content(tmp_path).keys() == content().keys()
    file.with_name("other.pth").touch()
    with pytest.raises(InputError, match=r"holds good\.pt, other\.pth; give the file to read"):
        read_content(tmp_path)


def test_numpy_scalars_beside_the_weights_are_passed_over(file):
    before = set(torch.serialization.get_safe_globals())
    torch.save({"state_dict": content()["state_dict"], "auc": np.float64(0.5)}, file)
    assert torch.equal(read_content(file)["state_dict"]["b"], torch.tensor([1, 2]))
    assert set(torch.serialization.get_safe_globals()) == before


def test_what_is_read_is_mapped_and_not_copied(file):
    torch.save({"a": torch.zeros(2**20)}, file)
    before = resident()
    found = read_content(file)["a"]
    assert resident() - before < 2**20
    assert found.sum() == 0


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_class_is_named_with_the_command_that_converts_the_file(file, protocol):
    torch.save(content() | {"model_config": Config()}, file, pickle_protocol=protocol)
    named = "Config" if protocol == 2 else "OrderedDict"
    with pytest.raises(InputError, match=rf"good\.pt: holds a pickled [\w.]*{named}, ") as refused:
        read_content(file)
    code = re.search(r'python -c "(.*)"', str(refused.value))[1]
    exec(code, {})
    converted = read_content(file.with_name("good-weights.pt"))
    assert converted.keys() == {"state_dict", "config", "model_config"}
    assert converted["config"] == content()["config"]
    assert converted["model_config"] == {"heads": 2}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_a_pickle_that_would_run_code_is_named_and_not_run(tmp_path, monkeypatch, nested, form):
    monkeypatch.chdir(tmp_path)
    file, held = tmp_path / "evil.pt", {"state_dict": {"a": Evil()}} if nested else Evil()
    if form == "pickle":
        file.write_bytes(pickle.dumps(held))
    else:
        torch.save(held, file, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(InputError, match=r"evil\.pt: .*; if you trust it, convert it") as refused:
        read_content(file)
    assert form == "legacy" or "holds a pickled posix.system" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["evil.pt"]


def test_a_pickle_under_another_case_of_its_name_is_not_read(file):
    rewrite(file, lambda name, held: held or pickle.dumps(Evil(), 2), "good/DATA.PKL")
    with pytest.raises(InputError, match="an archive that names a record twice"):
        read_content(file)
    assert not Path("executed").exists()


def test_old_forms_of_torch_files_are_refused(tmp_path):
    torch.save(content(), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="a pickle, not a torch file of today; if you trust it"):
        read_content(tmp_path / "old.pt")
    with tarfile.open(tmp_path / "older.pt", "w") as archive:
        archive.add(tmp_path / "old.pt", "pickle")
    with pytest.raises(InputError, match=r"older\.pt: not a checkpoint"):
        read_content(tmp_path / "older.pt")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["pt", "safetensors"])
def test_a_file_that_was_cut_is_refused(file, share, kind):
    cut = file.with_suffix(f".{kind}")
    if kind == "safetensors":
        save_file({"a": torch.arange(600.0)}, cut)
    whole = cut.read_bytes()
    cut.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=rf"good\.{kind}: (not|no readable|cut)"):
        read_content(cut)


@pytest.mark.parametrize(
    "held",
    [
        b"",
        b"PK",
        b"weights: none\n",
        b"{}",
        b"\0" * 100,
        b"PK\3\4abc",
        b"\x80\2}",
        b"\x80\2c\xff\n\n.",
    ],
)
def test_what_is_no_checkpoint_is_refused(tmp_path, held):
    (tmp_path / "some.pt").write_bytes(held)
    with pytest.raises(InputError, match=r"some\.pt: (not a|cut or damaged; fetch it again)"):
        read_content(tmp_path / "some.pt")


def test_a_folder_without_files_and_a_path_to_nothing_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint; give the file to read"):
        read_content(tmp_path)
    with pytest.raises(InputError, match="nothing: cannot be read"):
        read_content(tmp_path / "nothing")


@pytest.mark.parametrize("held", ["{", "[" * 10**5, '"\ud800'])
def test_a_configuration_that_is_none_is_refused(tmp_path, held):
    save_file({"a": torch.zeros(2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes(held.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"config\.json: not readable JSON"):
        read_content(tmp_path)


NUMEL = b"X\3\0\0\0cpuq\6K\x0at"
SIZE, STRIDE = b"K\0K\x0a\x85q\x08", b"K\1\x85q\x09"
BILLION = b"J" + MANY.to_bytes(4, "little")


@pytest.mark.parametrize(
    ("replaced", "by"),
    [
        (NUMEL, NUMEL.replace(b"K\x0a", BILLION)),
        (NUMEL, NUMEL.replace(b"K\x0a", b"K\x0b")),
        (NUMEL, NUMEL.replace(b"K\x0a", b"K\x09")),
        (SIZE, SIZE.replace(b"K\x0a", BILLION)),
        (SIZE, SIZE.replace(b"K\0", b"K\1")),
        (SIZE, SIZE.replace(b"K\0", BILLION)),
        (STRIDE, STRIDE.replace(b"K\1", BILLION)),
        (SIZE + STRIDE, SIZE.replace(b"K\x0a", BILLION) + STRIDE.replace(b"K\1", b"K\0")),
        (SIZE + STRIDE, SIZE.replace(b"K\0", b"J\xff\xff\xff\xff") + STRIDE),
    ],
    ids=[
        *("storage of 10^9", "storage of 11", "storage of 9", "size of 10^9", "place 1"),
        *("place 10^9", "stride of 10^9", "10^9 times the same", "place -1"),
    ],
)
def test_what_claims_more_than_the_file_holds_is_refused_within_its_size(lone, replaced, by):
    rewrite(lone, pickled(replaced, by))
    before = resident()
    with pytest.raises(InputError, match=r"lone\.pt: .*; fetch it again"):
        read_content(lone)
    assert resident() - before < 2**24


def test_an_expanded_tensor_is_refused_by_name(file):
    torch.save({"state_dict": {"a": torch.zeros(1).expand(MANY)}}, file)
    with pytest.raises(InputError, match=r"state_dict\.a claims 1,000,000,000 elements, and the"):
        read_content(file)


@pytest.mark.parametrize(
    ("header", "held"),
    [
        ({"a": {"dtype": "F32", "shape": [MANY], "data_offsets": [0, 4 * MANY]}}, 8),
        ({"a": {"dtype": "F32", "shape": [MANY], "data_offsets": [0, 8]}}, 8),
        ({name: {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} for name in "ab"}, 8),
    ],
)
def test_a_safetensors_header_that_claims_more_is_refused(tmp_path, header, held):
    text = json.dumps(header).encode()
    file = tmp_path / "a.safetensors"
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(held))
    with pytest.raises(InputError, match=r"a\.safetensors: no readable safetensors"):
        read_content(file)


def test_names_that_come_twice_are_refused(file, tmp_path):
    one = '"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}'
    text = f"{{{one}, {one}}}".encode()
    twice = tmp_path / "a.safetensors"
    twice.write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
    with pytest.raises(InputError, match=r"a\.safetensors: .*a name comes twice"):
        read_content(twice)
    with pytest.warns(UserWarning, match="Duplicate name"):
        rewrite(file, lambda name, held: held, "good/data/0")
    with pytest.raises(InputError, match="an archive that names a record twice"):
        read_content(file)


def test_compressed_records_are_refused_before_they_unfold(lone):
    rewrite(lone, lambda name, held: bytes(2**26) if name.endswith("data/0") else held,
            method=ZIP_DEFLATED)  # fmt: skip
    assert lone.stat().st_size < 2**18
    before = resident()
    with pytest.raises(InputError, match="an archive with compressed records"):
        read_content(lone)
    assert resident() - before < 2**22


def test_an_archive_that_torch_did_not_write_is_refused(tmp_path):
    with ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(InputError, match="a zip archive, not a torch file; unpack it"):
        read_content(tmp_path / "photos.zip")


def test_a_script_and_values_without_names_are_refused(lone):
    rewrite(lone, pickled(b"collections\nOrderedDict", b"__torch__\nNet"), "lone/constants.pkl")
    with pytest.raises(InputError, match=r"lone\.pt: holds a pickled __torch__\.Net"):
        read_content(lone)
    torch.save([torch.zeros(2)], lone)
    with pytest.raises(InputError, match=r"lone\.pt: holds a list, not tensors by name"):
        read_content(lone)


def test_what_is_nested_without_end_is_refused(file):
    # By hand, as Python's own pickler gives up: lists in lists in a dictionary.
    deep = b"\x80\2}X\1\0\0\0a" + b"]" * 20_000 + b"a" * 19_999 + b"s."
    rewrite(file, lambda name, held: deep if name.endswith("data.pkl") else held)
    with pytest.raises(InputError, match="not a readable torch file"):
        read_content(file)


def test_weights_that_are_not_finite_are_refused_where_they_are_taken(file):
    torch.save({"a": torch.tensor([1.0, float("nan")])}, file)
    with pytest.raises(InputError, match=r"good\.pt: a holds values that are not finite"):
        part(read_content(file), "", {}, file)
