"""Names of runs in tables and figures."""

import tomllib
from importlib import resources

from myocard.results.run import EncoderInfo
from myocard.results.saved import SavedRun

_WORDS = resources.files("myocard.results.compare").joinpath("readouts.toml")
READOUTS: dict[str, str] = tomllib.loads(_WORDS.read_text("utf-8"))
"""Readouts in the order of the table; others follow by name."""


def label_of(run: SavedRun) -> str:
    """The layer or readout of a run, in words."""
    info = run.info
    if info.layer is not None:
        return f"layer {info.layer}"
    return READOUTS.get(info.readout, info.readout)


def named_layer(encoder: EncoderInfo, layer: int) -> str:
    """The number of a layer, and its name where it has one of its own."""
    return f"{layer}, {encoder.layer_names[layer]}" if encoder.layer_names else str(layer)


def describe_encoder(run: SavedRun) -> str:
    encoder = run.info.encoder
    if run.info.kind == "baseline":
        return f"{encoder.name} (no encoder)" if encoder.layers is None else encoder.name
    if encoder.random:
        return f"{encoder.name}, random weights"
    kind = "IPASTMEM" if encoder.mixture == "mean" else "pretrained"
    seen = f", has seen {' and '.join(run.info.seen)}" if run.info.seen else ""
    return f"{encoder.name}, {kind}{seen}"
