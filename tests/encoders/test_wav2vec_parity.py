"""ECG-FM and HuBERT-ECG against their makers' own outputs, and at their true sizes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from myocard.encoders import ecg_fm, hubert_ecg
from myocard.encoders.files import read_content
from myocard.encoders.published import Family, Opened, encoder_of
from myocard.errors import InputError

FILE = Path("file.pt")


def opened(path: Path, family: Family) -> Opened:
    content = read_content(path)
    assert family.recognises(content)
    return family.open(content, path)


def states_of(model: Opened, signals: Tensor, prefix: str = "") -> dict[str, Tensor]:
    encoder = encoder_of(model, "encoder")
    with torch.inference_mode():
        states = list(encoder.hidden_states(signals))
        pooled = encoder.pool(states[-1])
    names = ["embedding", *(f"block_{block}" for block in range(len(states) - 1))]
    found = dict(zip(names, states, strict=True)) | {"pooled": pooled}
    return {f"{prefix}{name}": values for name, values in found.items()}


@pytest.mark.parametrize("name", ["pretrained.pt", "pretrained_parametrized_keys.pt"])
def test_every_state_of_ecg_fm_is_upstreams(
    real_data: Path, arrays, assert_close, name: str
) -> None:
    given = arrays("ecg-fm/expected.npz")
    model = opened(real_data / "encoders/ecg-fm" / name, ecg_fm.FAMILY)
    found = states_of(model, given["input"]) | states_of(model, given["faint_input"], "faint_")
    network = model.network
    with torch.inference_mode():
        found["conv_features"] = network.feature_extractor(given["input"]).transpose(1, 2)
        found["conv_features_normed"] = network.layer_norm(found["conv_features"])
        found["projected"] = network.frames(given["input"])
    others = {n for n in given if n.startswith("finetuned_") or n.endswith("input")}
    assert_close(found, {n: values for n, values in given.items() if n not in others})


def test_every_state_and_the_labels_of_fine_tuned_ecg_fm_are_upstreams(
    real_data: Path, arrays, assert_close
) -> None:
    given = arrays("ecg-fm/expected.npz")
    model = opened(real_data / "encoders/ecg-fm/finetuned.pt", ecg_fm.FAMILY)
    found = states_of(model, given["input"], "finetuned_")
    with torch.inference_mode():
        found["finetuned_logits"] = model.head(found["finetuned_pooled"])
    assert_close(found, {n: v for n, v in given.items() if n.startswith("finetuned_")})
    assert model.card.pretrained_on is None


def test_every_state_of_hubert_ecg_is_upstreams(real_data: Path, arrays, assert_close) -> None:
    given = arrays("hubert-ecg/expected.npz")
    model = opened(real_data / "encoders/hubert-ecg/hf", hubert_ecg.FAMILY)
    faint = given["faint_input"].unflatten(1, (12, -1))
    found = states_of(model, given["input_leads"]) | states_of(model, faint, "faint_")
    network = model.network
    with torch.inference_mode():
        features = network.feature_extractor(given["input"][:, None])
        found["conv_features"] = features.transpose(1, 2)
        found["projected"] = network.frames(given["input_leads"])
    inputs = {"input", "input_leads", "faint_input"}
    assert_close(found, {n: values for n, values in given.items() if n not in inputs})


def test_hubert_ecgs_pickled_configuration_is_refused_with_advice(real_data: Path) -> None:
    with pytest.raises(InputError, match=r"hubert_ecg_fixture\.pt.*HuBERTECGConfig.*convert"):
        read_content(real_data / "encoders/hubert-ecg/hubert_ecg_fixture.pt")


@pytest.mark.parametrize("rate", [500, 100])
def test_ecg_fms_preprocessing_is_upstreams(real_data: Path, arrays, rate: int) -> None:
    given = arrays("ecg-fm/preprocess.npz")
    stated = opened(real_data / "encoders/ecg-fm/pretrained.pt", ecg_fm.FAMILY).input
    raw, segments = given[f"raw_{rate}"].numpy(), given[f"out_from_{rate}"].numpy()
    for record, out in zip(raw, segments, strict=False):
        # Upstream cuts segments from the beginning on; here it is one window, in the middle.
        middle = np.concatenate(out, axis=1)[:, 1250:3750]
        assert np.abs(stated(record, rate) - middle).max() <= 1e-6


@pytest.mark.parametrize("rate", [500, 100])
def test_hubert_ecgs_preprocessing_is_upstreams(real_data: Path, arrays, rate: int) -> None:
    given = arrays("hubert-ecg/preprocess.npz")
    stated = opened(real_data / "encoders/hubert-ecg/hf", hubert_ecg.FAMILY).input
    raw, outs = given[f"raw_{rate}"].numpy(), given[f"out_from_{rate}"].numpy()
    for record, out in zip(raw, outs, strict=True):
        assert np.abs(stated(record, rate).ravel() - out).max() <= 1e-6


PUBLISHED = {
    "ecg-fm/keys_published_pretrained.tsv": (ecg_fm.FAMILY, 13, 156, 12),
    "ecg-fm/keys_published_finetuned.tsv": (ecg_fm.FAMILY, 13, 156, 12),
    "hubert-ecg/keys_published_small.tsv": (hubert_ecg.FAMILY, 9, 93, 8),
    "hubert-ecg/keys_published_base.tsv": (hubert_ecg.FAMILY, 13, 93, 12),
    "hubert-ecg/keys_published_large.tsv": (hubert_ecg.FAMILY, 17, 93, 12),
}


@pytest.mark.parametrize("keys", PUBLISHED)
def test_published_sizes_load_and_give_their_states(random_weights, keys: str) -> None:
    family, count, frames, heads = PUBLISHED[keys]
    content = {"model": random_weights(keys)}
    assert family.recognises(content)
    model = family.open(content, FILE)
    del content
    assert model.network.shape.heads == heads
    with torch.inference_mode():
        states = list(model.network.states(torch.randn(1, 12, model.input.samples)))
    assert [state.shape for state in states] == [(1, frames, la.width) for la in model.layers]
    assert len(states) == count
