"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

from myocard.data.corpora import CORPUS_COLUMNS, PretrainedOn
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Preprocessing
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder, Origin
from myocard.leads import LEADS
from myocard.models.classifier import build_classifier
from myocard.models.model import Model
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.results.classifier import ClassifierShape, SplitInfo
from myocard.results.decision import Basis, Decision
from myocard.simulation import entries

# Tiny shapes are fastest on one thread, and pytest-xdist fills the cores.
torch.set_num_threads(1)

# A busy machine is no fault of the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real ECGs that the variable MYOCARD_DATA names."""
    if "MYOCARD_DATA" not in os.environ:
        pytest.skip("MYOCARD_DATA is not set: no real ECGs to read")
    return Path(os.environ["MYOCARD_DATA"])


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(20260714)


@pytest.fixture
def signals(generator) -> torch.Tensor:
    """Four records of twelve leads, 100 samples each."""
    return torch.randn(4, 12, 100, generator=generator)


@pytest.fixture
def network() -> Encoder:
    """Three blocks of width 12 on ten patches of ten samples."""
    torch.manual_seed(1)
    return Encoder(EncoderShape(samples=100, patch=10, width=12, depth=3, heads=3)).eval()


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Store:
    """Sixty simulated records, 10 s at 100 Hz, in folds 1 to 10."""
    out = tmp_path_factory.mktemp("stores") / "simulated"
    return prepare(entries(60, 0, rate=100.0), out, Wanted(100, 10.0, LEADS), source="sim", jobs=1)


@pytest.fixture
def encoder(network, store) -> MyocardEncoder:
    """The tiny network as an encoder that was pretrained on the first ten records of the store."""
    corpus = store.records.loc[:9, list(CORPUS_COLUMNS)]
    pretrained_on = PretrainedOn(corpus, ("sim",))
    return MyocardEncoder(
        "tiny", network, Preprocessing(100, 100), pretrained_on, Origin(preset="test")
    )


@pytest.fixture
def decided(encoder) -> Model:
    """The tiny encoder under a gate that nobody trained, with decisions that nobody chose."""
    torch.manual_seed(2)
    classes = ("CD", "MI", "NORM")
    shape = ClassifierShape(task="superdiagnostic", classes=classes, readout="pma", head="linear")
    splits = {
        name: SplitInfo(folds=(fold,), records=40, patients=30)
        for fold, name in enumerate(("train", "validation", "test"), 8)
    }
    decision = Decision(
        outcome="any",
        classes=classes,
        temperature=1.5,
        thresholds=(0.5, 0.48, 0.52),
        coverage=0.8,
        yes_from=(0.45, 0.47, 0.4),
        no_to=(0.55, 0.5, 0.6),
        basis=Basis(source="sim", tested_on="sim", splits=splits, metric="auroc"),
    )
    classifier = build_classifier(shape, encoder.norm, encoder.layers).eval()
    return Model(encoder, classifier, shape, decision)
