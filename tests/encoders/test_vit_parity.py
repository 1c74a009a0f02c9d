"""Vision Transformers (and MERL's ResNet) against their makers' own outputs, on random weights."""

from pathlib import Path

import numpy as np
import pytest
import torch

from myocard.data.signal import Preprocessing
from myocard.encoders import ecg_jepa_kim, ecg_jepa_weimann, merl, st_mem
from myocard.encoders.published import Family, Opened
from myocard.leads import LEADS

FILES = {
    "st-mem/st_mem_encoder.pth": st_mem.FAMILY,
    "st-mem/st_mem_full.pth": st_mem.FAMILY,
    "merl/vit_tiny_best_encoder.pth": merl.FAMILY,
    "merl/res18_best_encoder.pth": merl.FAMILY,
    "ecg-jepa-kim/multiblock_epoch100.pth": ecg_jepa_kim.FAMILY,
    "ecg-jepa-weimann/chkpt.min.pt": ecg_jepa_weimann.FAMILY,
    "ecg-jepa-weimann/chkpt_100.pt": ecg_jepa_weimann.FAMILY,
}


def opened(path: Path, family: Family) -> Opened:
    content = torch.load(path, weights_only=True)
    assert family.recognises(content)
    return family.open(content, path)


def arrays(path: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(values) for name, values in np.load(path).items()}


def states_of(model: Opened, signals: torch.Tensor, prefix: str = "") -> dict[str, torch.Tensor]:
    names = [f"{prefix}{'embedding' if i == 0 else f'block_{i - 1}'}" for i in range(99)]
    return dict(zip(names, model.network.states(signals), strict=False))


def last(states: dict[str, torch.Tensor]) -> torch.Tensor:
    return list(states.values())[-1]


def st_mem_arrays(model: Opened, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {}
    for prefix in ("", "faint_"):
        states = states_of(model, given[f"{prefix}input"], prefix)
        pooled = model.network.signal_tokens(last(states)).mean(dim=1)
        found |= states | {f"{prefix}pooled": model.network.norm(pooled)}
    return found


def vit_arrays(model: Opened, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    states = states_of(model, given["input"], "vit_")
    return states | {"vit_pooled": model.network.norm(last(states).mean(dim=1))}


def resnet_arrays(model: Opened, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    names = ["resnet_stem", *(f"resnet_layer_{stage}" for stage in (1, 2, 3, 4))]
    states = dict(zip(names, model.network.states(given["input"]), strict=True))
    maps = {name: tokens.transpose(1, 2) for name, tokens in states.items()}
    return maps | {"resnet_pooled": last(states).mean(dim=1)}


def kim_arrays(model: Opened, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    states = states_of(model, given["input"])
    normed = model.network.norm(last(states))
    leads = given["subset_leads"].tolist()
    fewer = model.of_leads(model.network, leads)
    *_, tokens = fewer.states(given["input"][:, leads])
    pooled = {"pooled": normed.mean(dim=1), "subset_pooled": fewer.norm(tokens).mean(dim=1)}
    return states | {"normed": normed} | pooled


def weimann_arrays(model: Opened, given: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    network = model.network
    found = {"patches": network.patch_embed["proj"](given["input"]).transpose(1, 2)}
    found["position"] = ecg_jepa_weimann.position(*found["patches"].shape[1:])[None]
    for prefix in ("", "crop_"):
        states = states_of(model, given[f"{prefix}input"], prefix)
        normed = network.norm(last(states))
        pooled = network.signal_tokens(normed).mean(dim=1)
        found |= states | {f"{prefix}normed": normed, f"{prefix}pooled": pooled}
        found[f"{prefix}register"] = normed[:, 0]
    return found


ARRAYS = dict(
    zip(
        FILES,
        [
            st_mem_arrays,
            st_mem_arrays,
            vit_arrays,
            resnet_arrays,
            kim_arrays,
            weimann_arrays,
            weimann_arrays,
        ],
        strict=True,
    )
)
NO_OUTPUT = {"input", "faint_input", "crop_input", "subset_leads"}


@pytest.mark.parametrize("file", FILES)
def test_every_state_is_upstreams(real_data: Path, file: str) -> None:
    path = real_data / "encoders" / file
    expected = arrays(path.with_name("expected.npz"))
    with torch.inference_mode():
        found = ARRAYS[file](opened(path, FILES[file]), expected)
    for name, values in found.items():
        if name in expected:
            wanted = expected[name]
            bound = 1e-5 * max(1.0, wanted.square().mean().sqrt().item())
            assert values.shape == wanted.shape, name
            assert (values - wanted).abs().max() <= bound, name


@pytest.mark.parametrize("folder", ["st-mem", "merl", "ecg-jepa-kim", "ecg-jepa-weimann"])
def test_no_array_of_a_fixture_is_left_unread(real_data: Path, folder: str) -> None:
    root = real_data / "encoders"
    expected = arrays(root / folder / "expected.npz")
    files = [file for file in FILES if file.startswith(f"{folder}/")]
    with torch.inference_mode():
        read = {n for f in files for n in ARRAYS[f](opened(root / f, FILES[f]), expected)}
    assert expected.keys() - read == expected.keys() & NO_OUTPUT


def weimann_input(root: Path, given: dict[str, torch.Tensor]) -> Preprocessing:
    content = torch.load(root / "ecg-jepa-weimann" / "chkpt.min.pt", weights_only=True)
    statement = ecg_jepa_weimann.Statement.model_validate(
        {
            "config": content["config"] | {"channel_size": 5000},
            "preprocess": {name: given[name] for name in ("mean", "std")},
        }
    )
    return ecg_jepa_weimann.stated_input(statement)


INPUTS = {
    "st-mem": lambda root, given: st_mem.stated_input(2250),
    "merl": lambda root, given: merl.stated_input(5000),
    "ecg-jepa-kim": lambda root, given: ecg_jepa_kim.stated_input(2500),
    "ecg-jepa-weimann": weimann_input,
}


@pytest.mark.parametrize("rate", [500, 100])
@pytest.mark.parametrize("folder", INPUTS)
def test_preprocessing_is_upstreams(real_data: Path, folder: str, rate: int) -> None:
    root = real_data / "encoders"
    given = arrays(root / folder / "preprocess.npz")
    if f"raw_{rate}" not in given:
        pytest.skip(f"{folder} reads no records of {rate} Hz")
    stated = INPUTS[folder](root, given)
    wanted = given[f"out_from_{rate}"].numpy()
    if "crop_starts" in given:
        wanted = wanted[:, given["crop_starts"].tolist().index(125)]
    places = [LEADS.index(lead) for lead in stated.leads]
    for record, out in zip(given[f"raw_{rate}"].numpy(), wanted, strict=False):
        assert np.abs(stated(record[places], rate) - out).max() <= 5e-6
