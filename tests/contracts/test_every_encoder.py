"""What holds for every named size under every preset."""

import pytest
import torch

from myocard.models.checkpoint import CORPUS_COLUMNS, Checkpoint
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.nn.objectives.decoders import Decoder
from myocard.nn.objectives.masked import MIXTURES, MaskedAutoencoder
from myocard.nn.sizes import DECODERS, encoder_shape
from myocard.recipe import PRESETS

SIZES = list(DECODERS)
every_size = pytest.mark.parametrize("size", SIZES)
every_preset = pytest.mark.parametrize("preset", list(PRESETS))


def shape_of(size: str, preset: str) -> EncoderShape:
    preprocessing, patch = PRESETS[preset]
    return encoder_shape(size, samples=preprocessing.samples, patch=patch)


@every_size
@every_preset
def test_the_stated_input_gives_every_layer(size, preset):
    shape, preprocessing = shape_of(size, preset), PRESETS[preset][0]
    with torch.device("meta"):
        encoder = Encoder(shape)
        signals = torch.empty(2, len(preprocessing.leads), preprocessing.samples)
        layers = encoder(signals, preprocessing.leads)
        pooled = encoder.pooled(signals, preprocessing.leads)
    tokens = 12 * (shape.samples // shape.patch + 2)
    assert layers.shape == (shape.depth + 1, 2, tokens, shape.width)
    assert pooled.shape == (2, shape.depth + 1, shape.width)


@every_size
@every_preset
@pytest.mark.parametrize("mixture", list(MIXTURES))
def test_it_can_be_pretrained(size, preset, mixture):
    shape, preprocessing = shape_of(size, preset), PRESETS[preset][0]
    with torch.device("meta"):
        encoder = Encoder(shape)
        model = MaskedAutoencoder(
            encoder, Decoder(encoder, DECODERS[size]), mixture=MIXTURES[mixture]
        )
        signals = torch.empty(1, 12, preprocessing.samples)
        predicted = model(signals, preprocessing.leads).patches
    assert predicted.shape == (1, 12, shape.samples // shape.patch, shape.patch)


@every_size
@every_preset
def test_parameters_number_as_the_formula_says(size, preset):
    shape = shape_of(size, preset)
    with torch.device("meta"):
        encoder = Encoder(shape)
    width, patch = shape.width, shape.patch
    block = 12 * width**2 + 13 * width
    embedding = 2 * patch + (patch + 1) * width + 2 * width
    expected = shape.depth * block + embedding + (1 + 12) * width + 2 * width
    assert sum(p.numel() for p in encoder.parameters()) == expected


@pytest.mark.parametrize(
    ("size", "numbers"), [("tiny", (192, 12, 3)), ("small", (384, 12, 6)), ("base", (768, 12, 12))]
)
def test_sizes_are_those_of_the_vision_transformer(size, numbers):
    shape = shape_of(size, "stmem")
    assert (shape.width, shape.depth, shape.heads, shape.mlp_ratio) == (*numbers, 4)


@pytest.mark.parametrize("size", ["nano", "tiny"])
@every_preset
def test_saving_and_loading_is_exact(size, preset, store, tmp_path):
    preprocessing = PRESETS[preset][0]
    encoder = Encoder(shape_of(size, preset)).eval()
    corpus = store.records.loc[:3, list(CORPUS_COLUMNS)]
    Checkpoint(size, encoder, preprocessing, corpus).save(tmp_path / "saved")
    loaded = Checkpoint.load(tmp_path / "saved")
    signals = torch.randn(1, 12, preprocessing.samples)
    with torch.inference_mode():
        expected = encoder.pooled(signals, preprocessing.leads)
        assert torch.equal(loaded.encoder.pooled(signals, preprocessing.leads), expected)
    assert loaded.preprocessing == preprocessing
