"""An encoder is found by its folder, its file, its name, or its place on the hub."""

import logging
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

import myocard
from myocard.encoders import merl
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.published import PublishedEncoder
from myocard.encoders.registry import tell_licence
from myocard.errors import InputError
from myocard.files.manifest import altered
from myocard.models import checkpoint
from myocard.models.checkpoint import Checkpoint, load_encoder
from myocard.models.model import Model
from myocard.models.places import found


@pytest.fixture
def published(tmp_path) -> Path:
    weights = merl.ViT(merl.StackShape(64, 2, 1, 128), 50, 4).state_dict()
    torch.save(weights, tmp_path / "merl.pth")
    return tmp_path / "merl.pth"


@pytest.fixture
def hub(monkeypatch, tmp_path) -> Path:
    """The folder of a stand-in for ``huggingface_hub``, which reaches no network."""
    home, cache = tmp_path / "hub", tmp_path / "cache"

    def snapshot_download(repository: str, *, allow_patterns: list[str]) -> str:
        shutil.copytree(home / repository, cache / repository, dirs_exist_ok=True)
        for path in (cache / repository).iterdir():
            if path.name not in allow_patterns:
                path.unlink()
        return str(cache / repository)

    def hf_hub_download(repository: str, file: str) -> str:
        (cache / repository).mkdir(parents=True, exist_ok=True)
        return str(shutil.copy(home / repository / file, cache / repository / file))

    def upload_folder(*, repo_id: str, folder_path: Path) -> str:
        shutil.copytree(folder_path, home / repo_id, dirs_exist_ok=True)
        return f"https://hub/{repo_id}"

    def create_repo(repository: str, *, exist_ok: bool) -> None:
        assert exist_ok
        (home / repository).mkdir(parents=True, exist_ok=True)

    module = SimpleNamespace(
        snapshot_download=snapshot_download,
        hf_hub_download=hf_hub_download,
        upload_folder=upload_folder,
        create_repo=create_repo,
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return home


def test_a_published_file_is_a_model_whose_licence_is_told_once(published, caplog):
    tell_licence.cache_clear()
    with caplog.at_level(logging.WARNING):
        model = myocard.from_pretrained(published)
        load_encoder(str(published))
    assert isinstance(model.encoder, PublishedEncoder)
    assert model.classifier is None
    assert [line.split(":")[0] for line in caplog.messages] == ["MERL (ViT)"]


def test_folders_of_ours_and_of_others_are_told_apart(published, encoder, tmp_path):
    Checkpoint(encoder, {}).save(tmp_path / "mine")
    assert isinstance(load_encoder(tmp_path / "mine"), MyocardEncoder)
    (tmp_path / "theirs").mkdir()
    published.rename(tmp_path / "theirs" / "merl.pth")
    assert load_encoder(tmp_path / "theirs").info.name == "merl-vit"
    (tmp_path / "none").mkdir()
    with pytest.raises(InputError, match=r"none/config\.json: not a readable checkpoint"):
        load_encoder(tmp_path / "none")


def test_a_damaged_folder_of_ours_is_named_as_such(encoder, tmp_path):
    Checkpoint(encoder, {}).save(tmp_path / "mine")
    (tmp_path / "mine" / "preprocessing.json").unlink()
    with pytest.raises(InputError, match=r"preprocessing\.json: not a readable checkpoint"):
        load_encoder(tmp_path / "mine")
    (tmp_path / "mine" / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: not a readable checkpoint"):
        load_encoder(tmp_path / "mine")


def test_a_known_models_name_says_where_its_weights_are():
    told = r"ecg-fm: the weights of ECG-FM do not come with myocard; fetch them \(hugg.*wanglab/"
    with pytest.raises(InputError, match=told):
        myocard.from_pretrained("ecg-fm")


def test_a_name_of_nothing_lists_what_is_shipped():
    with pytest.raises(InputError, match=r"ecg-gpt: no such folder; .*, or give ecg-nano"):
        load_encoder("ecg-gpt")


def test_an_encoder_that_a_package_adds_is_opened_by_its_name(monkeypatch, encoder):
    monkeypatch.setattr(checkpoint, "added_encoder", {"theirs": encoder}.get)
    assert load_encoder("theirs") is encoder


def test_without_the_hubs_package_a_name_on_it_says_how_to_get_one(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    told = r"some/name: no such file or folder here; .* pip install 'myocard\[hub\]', or .* local f"
    with pytest.raises(InputError, match=told):
        myocard.from_pretrained("some/name")


@pytest.mark.parametrize("name", ["../some/name", "/some/name", "a/b/../../c", "a//b", "./a"])
def test_a_path_is_not_looked_for_on_the_hub(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError) as refused:
        found(Path(name))
    assert ("hub" in str(refused.value)) == (name == "a//b")  # which pathlib takes for a/b


def test_our_checkpoint_goes_to_the_hub_and_comes_back(hub, encoder, store):
    sent = Model(encoder)
    assert sent.push_to_hub("some/name") == "https://hub/some/name"
    assert altered(hub / "some/name") == []
    assert (hub / "some/name" / "README.md").exists()
    back = myocard.from_pretrained("some/name").encoder
    assert (back.info, back.origin) == (encoder.info, encoder.origin)


def test_others_repositories_are_opened_by_folder_or_by_file(hub, published):
    (hub / "some/name").mkdir(parents=True)
    with pytest.raises(
        InputError, match=r"has no model\.safetensors; name its file, as some/name/"
    ):
        load_encoder("some/name")
    shutil.copy(published, hub / "some/name/merl.pth")
    assert load_encoder("some/name/merl.pth").info.name == "merl-vit"
    save_file(torch.load(published), hub / "some/name/model.safetensors")
    (hub / "some/name/pytorch_model.bin").touch()
    assert load_encoder("some/name").info.name == "merl-vit"


def test_what_the_hub_refuses_is_one_sentence(hub, encoder, monkeypatch):
    with pytest.raises(
        InputError, match=r"no/where: neither here nor on the hub \(.*\); see to its"
    ):
        load_encoder("no/where")

    def refuse(repository: str, *, exist_ok: bool) -> None:
        raise RuntimeError("401\nno token")

    monkeypatch.setattr(sys.modules["huggingface_hub"], "create_repo", refuse)
    with pytest.raises(InputError, match=r"some/name: cannot be written on the hub \(401\); see"):
        Model(encoder).push_to_hub("some/name")


def test_a_saved_model_is_the_model(encoder, tmp_path):
    myocard.from_pretrained().save_pretrained(tmp_path / "again")
    again = myocard.from_pretrained(tmp_path / "again")
    assert again.encoder.info == myocard.from_pretrained().encoder.info
    assert altered(tmp_path / "again") == []


def test_others_weights_are_not_passed_on(hub, published, tmp_path):
    model = myocard.from_pretrained(published)
    with pytest.raises(InputError, match="merl-vit is not myocard's own: its makers' licence"):
        model.push_to_hub("a/b")
    with pytest.raises(InputError, match="merl-vit is an encoder without a readout"):
        model.save_pretrained(tmp_path / "a")
    assert not (tmp_path / "a").exists()
