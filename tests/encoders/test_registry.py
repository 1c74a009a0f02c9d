"""A published file is opened by its one family; packages add families and encoders of their own."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from myocard.encoders import merl, registry
from myocard.encoders.published import Family
from myocard.encoders.registry import (
    added_encoder,
    cards,
    families,
    open_published,
    tell_licence,
)
from myocard.errors import InputError

FIXTURES = {
    "ecg-cpc/last.ckpt": "ecg-cpc",
    "ecg-fm/finetuned.pt": "ecg-fm",
    "ecg-fm/pretrained.pt": "ecg-fm",
    "ecg-jepa-kim/multiblock_epoch100.pth": "ecg-jepa-kim",
    "ecg-jepa-weimann/chkpt.min.pt": "ecg-jepa-weimann",
    "ecg-jepa-weimann/chkpt_100.pt": "ecg-jepa-weimann",
    "ecgfounder/12_lead_ECGFounder.pth": "ecgfounder",
    "hubert-ecg/hf": "hubert-ecg",
    "merl/res18_best_encoder.pth": "merl-resnet",
    "merl/vit_tiny_best_encoder.pth": "merl-vit",
    "st-mem/st_mem_encoder.pth": "st-mem",
    "st-mem/st_mem_full.pth": "st-mem",
}


@pytest.fixture
def file(tmp_path) -> Path:
    torch.save(merl.ResNet(4, (1, 1, 1, 1)).state_dict(), tmp_path / "merl.pth")
    return tmp_path / "merl.pth"


@pytest.fixture
def added(monkeypatch) -> Iterator[dict[str, object]]:
    """Objects that the entry points of installed packages load, by their names."""
    points: dict[str, object] = {}

    def listed(group: str) -> list[SimpleNamespace]:
        assert group == "myocard.encoders"
        return [SimpleNamespace(name=n, value=f"{n}:it", load=load) for n, load in points.items()]

    def forget() -> None:
        registry.families.cache_clear()
        registry._added.cache_clear()

    monkeypatch.setattr(registry, "entry_points", listed)
    forget()
    yield points
    forget()


@pytest.mark.parametrize(("place", "name"), FIXTURES.items(), ids=FIXTURES)
def test_a_file_of_each_model_is_opened_by_its_family_alone(real_data, place, name):
    opened = open_published(real_data / "encoders" / place)
    assert opened.name == opened.opened.card.name == opened.info.preset == name


def test_every_model_has_a_name_and_a_card_of_its_own():
    listed = [card for family in families() for card in family.cards]
    assert len(cards()) == len(listed) == len({card.title for card in listed})
    for card in listed:
        assert all((card.paper, card.where, card.layers, card.size, card.signals))


def test_a_published_encoder_is_called_as_its_card_or_as_is_asked(file):
    assert open_published(file).info.name == "merl-resnet"
    assert open_published(file, "mine").info.name == "mine"


def test_a_file_of_no_model_lists_the_known_ones(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match=r"other\.pt: is of no known model; known are st-mem, ecg"):
        open_published(tmp_path / "other.pt")


def test_a_file_that_two_families_take_for_theirs_is_refused(file, added):
    another = replace(merl.RESNET, name="another")
    family = Family((another,), lambda content: "conv1.weight" in content, merl.read)
    added["another"] = lambda: family
    with pytest.raises(
        InputError, match=r"merl\.pth: may be any of merl-resnet, merl-vit, another"
    ):
        open_published(file)


@pytest.mark.parametrize("content", [{"cfg": "x"}, {"model": "x"}, {"state_dict": [1]}, {1: {}}])
def test_other_values_under_the_names_that_families_look_for_are_refused(file, content):
    torch.save({"feature_extractor.conv_layers.0.0.weight": torch.zeros(2, 12, 2)} | content, file)
    with pytest.raises(InputError, match=r"merl\.pth: "):
        open_published(file)


def test_a_package_adds_a_family(file, added):
    own = replace(merl.RESNET, name="theirs", title="Theirs")
    weights = {"theirs": torch.load(file)}
    torch.save(weights, file)

    def read(content, path):
        return replace(merl.read(content["theirs"], path), card=own)

    added["theirs"] = lambda: Family((own,), lambda content: "theirs" in content, read)
    assert cards()["theirs"] == own
    assert open_published(file).info.name == "theirs"
    assert added_encoder("theirs") is None


def test_a_package_adds_an_encoder_by_name(added, encoder):
    added["ready"] = lambda: lambda: encoder
    added["wrong"] = lambda: lambda: 3
    assert added_encoder("ready") is encoder
    assert added_encoder("absent") is None
    with pytest.raises(InputError, match="wrong: its package returns int, not an encoder"):
        added_encoder("wrong")


def test_a_package_that_cannot_be_loaded_is_named(added):
    def load() -> object:
        raise ImportError("no module named nowhere")

    added["broken"] = load
    with pytest.raises(InputError, match="encoder broken of the installed broken:it cannot be loa"):
        families()


@pytest.mark.parametrize(
    ("commercial", "told"),
    [
        (True, "commercial use is allowed"),
        (False, "not for commercial use"),
        (None, "whether commercial use is allowed is not stated"),
    ],
)
def test_a_licence_is_told_once(caplog, commercial, told):
    tell_licence.cache_clear()
    card = replace(merl.RESNET, commercial=commercial)
    with caplog.at_level(logging.WARNING):
        tell_licence(card)
        tell_licence(card)
    (line,) = caplog.messages
    assert line == f"MERL (ResNet): code MIT, weights {card.weights_licence}: {told}"
