"""ECG-FM and HuBERT-ECG: what their files tell, and their true sizes."""

from pathlib import Path

import pytest
import torch

from myocard.encoders import ecg_fm, hubert_ecg
from myocard.encoders.files import read_content
from myocard.errors import InputError

FILE = Path("file.pt")


def test_hubert_ecgs_pickled_configuration_is_refused_with_advice(real_data: Path) -> None:
    with pytest.raises(InputError, match=r"hubert_ecg_fixture\.pt.*HuBERTECGConfig.*convert"):
        read_content(real_data / "encoders/hubert-ecg/hubert_ecg_fixture.pt")


def test_the_data_of_fine_tuned_ecg_fm_are_not_known(real_data: Path) -> None:
    path = real_data / "encoders/ecg-fm/finetuned.pt"
    assert ecg_fm.FAMILY.open(read_content(path), path).card.pretrained_on is None


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
