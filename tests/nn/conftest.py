"""In this room an encoder is its network."""

import pytest

from myocard.nn.encoder import Encoder


@pytest.fixture
def encoder(network) -> Encoder:
    return network
