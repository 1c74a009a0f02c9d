"""Fixtures that the tests of evaluation share."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import save_file
from torch import nn

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.signal import Preprocessing
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import Layer
from myocard.evaluation.features import Features, FeaturesInfo
from myocard.nn.readouts.norms import NormShape
from myocard.results.run import EncoderInfo

MadeFeatures = Callable[[np.ndarray, Sequence[Sequence[str]], str], Features]


@pytest.fixture
def clean(encoder, store) -> MyocardEncoder:
    """The tiny encoder, said to be pretrained on folds 1 to 6 alone."""
    corpus = store.records.loc[store.records["fold"] <= 6, list(CORPUS_COLUMNS)]
    return replace(encoder, pretrained_on=PretrainedOn(corpus, ("sim",)))


@pytest.fixture(scope="session")
def made_features(tmp_path_factory) -> MadeFeatures:
    """Features of an encoder that nobody has: given states of records with given codes."""

    def make(states: np.ndarray, codes: Sequence[Sequence[str]], source: str) -> Features:
        count, layers, width = states.shape
        folder = tmp_path_factory.mktemp("features") / source
        folder.mkdir()
        save_file(nn.LayerNorm(width).state_dict(), folder / "norm.safetensors")
        ids = [f"{source}{k}" for k in range(count)]
        records = pd.DataFrame(
            {"source": source, "id": ids, "patient": ids, "sha256": ids, "codes": list(codes)}
        ).assign(fingerprint="-" * 128, fold=1 + np.arange(count) % 10, known="")
        info = FeaturesInfo(
            encoder=EncoderInfo(name="made", hash="e", layers=layers, width=width),
            layers=tuple(Layer(f"layer {layer}", width) for layer in range(layers)),
            norm=NormShape("layer", width, 1e-5),
            store=f"store of {source}",
            input=Preprocessing(100, 100, ("I", "II")),
        )
        return Features(folder, states.astype(np.float16), records, info)

    return make
