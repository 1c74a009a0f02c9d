"""Ridge regression from one pass is ridge regression, whatever the pass is cut into."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from myocard.errors import InputError
from myocard.evaluation.features import extract
from myocard.evaluation.probing import Stream, probe
from myocard.evaluation.probing.ridge import Moments
from myocard.recipe import ProbeRecipe, Split
from myocard.results.run import Run

RECORDS, WIDTH, CLASSES = 400, 10, 3


def drawn() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(RECORDS, WIDTH, generator=generator) * torch.logspace(1, 0, WIDTH) + 3
    noise = torch.randn(RECORDS, CLASSES, generator=generator)
    return features, (features[:, :CLASSES] + 5 * noise > 3).float()


@pytest.mark.parametrize("penalty", [1e-3, 1e-1, 10.0])
def test_the_solution_is_scikit_learns(penalty):
    features, targets = drawn()
    moments = Moments(WIDTH, CLASSES)
    for rows in torch.arange(RECORDS).split(37):
        moments.add(features[rows], targets[rows])
    (head,) = moments.solve([penalty])
    scaled = StandardScaler().fit_transform(features.numpy().astype(float))
    oracle = Ridge(alpha=penalty * RECORDS).fit(scaled, targets.numpy())
    expected = 4 * (oracle.predict(scaled) - 0.5)
    assert head(features).detach().numpy() == pytest.approx(expected, abs=1e-3)


def recipe(**changes) -> ProbeRecipe:
    given = {"task": "superdiagnostic", "readouts": ("layers", "ppa"), "heads": ("ridge",)}
    split = Split(train=(7, 8), validation=(9,), test=(10,))
    return ProbeRecipe(**given | {"split": split, "seeds": (0, 1), "resamples": 20} | changes)


def test_a_stream_gives_what_a_cache_gives(clean, store, tmp_path):
    features = extract(clean, store, tmp_path / "features")
    cached = probe(features, recipe(), tmp_path / "cached")
    streamed = probe(Stream(clean, store), recipe(), tmp_path / "streamed")
    for one, other in zip(cached, streamed, strict=True):
        first, second = Run.read(one), Run.read(other)
        assert first.validation.main == second.validation.main
        assert first.layer_weights == second.layer_weights
        assert first.head == "ridge"


def test_the_layer_that_knows_is_found(made_features, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.random(RECORDS) < 0.5
    states = rng.normal(size=(RECORDS, 4, WIDTH))
    states[:, 2, 0] += 2 * labels - 1
    codes = [["scp:IMI"] if label else ["scp:NORM"] for label in labels]
    features = made_features(states, codes, "made")
    every = recipe(split=Split(), task="ptbxl-superdiagnostic", fraction=0.5)
    runs = [Run.read(folder) for folder in probe(features, every, tmp_path)]
    curve = [run.validation.main.macro.value for run in runs if run.layer is not None]
    assert np.argmax(curve) == 2


def test_a_readout_that_is_trained_is_refused(clean, store, tmp_path):
    features = extract(clean, store, tmp_path / "features")
    with pytest.raises(InputError, match="nothing to train: last, layers, ppa"):
        probe(features, recipe(readouts=("pma",)), tmp_path / "runs")
