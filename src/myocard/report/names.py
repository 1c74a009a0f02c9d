"""What runs are called in tables and figures."""

from myocard.report.runs import Run

READOUTS = {
    "last": "last layer",
    "ppa": "PPA: mean of the layers",
    "ppa-normed": "PPA of normalised layers",
    "scalar-mix": "scalar mix: learned weights",
    "scalar-mix-normed": "scalar mix of normalised layers",
    "pma": "PMA: gated weights",
    "pma-frozen-gate": "PMA, gate left at random",
    "pma-last": "PMA, gate reads the last layer",
    "pma-mean": "PMA, gate reads the mean layer",
    "concat": "all layers concatenated",
    "alf": "ALF: attention over layers",
    "attentive-tokens": "attentive probe of the last layer's patches",
    "efficient-tokens": "efficient probe of the last layer's patches",
    "alf-leads": "ALF over each lead of all layers",
    "alf-tokens": "ALF over each patch of all layers",
}
"""Readouts in the order of the table; others follow by name."""


def label_of(run: Run) -> str:
    """What was read, in words."""
    states = run.states
    if states.layer is not None:
        return f"layer {states.layer}"
    return READOUTS.get(states.readout, states.readout)


def describe_encoder(run: Run) -> str:
    encoder = run.states.encoder
    if run.states.kind == "baseline":
        return f"{encoder.name} (no encoder)" if encoder.layers is None else encoder.name
    if encoder.random:
        return f"{encoder.name}, random weights"
    return f"{encoder.name}, {'IPASTMEM' if encoder.mixture == 'mean' else 'pretrained'}"
