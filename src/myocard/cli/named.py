"""Encoders as commands name them."""

from pathlib import Path

from myocard.encoders.functions import load_function, names_function
from myocard.encoders.protocol import ECGEncoder
from myocard.models.checkpoint import load_encoder


def encoder_named(named: Path) -> ECGEncoder:
    """Open the encoder that a command names; here alone it may be a function of its user's."""
    text = str(named)
    return load_function(text) if names_function(text) else load_encoder(named)
