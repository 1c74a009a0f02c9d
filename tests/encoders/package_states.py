"""Arrays of openecg's trained encoder, ours beside its package's own, on simulated records."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from fixture_states import Arrays
from torch import Tensor
from torch.nn.functional import conv1d, gelu, linear

from myocard.encoders.files import read_content
from myocard.encoders.openecg import FAMILY
from myocard.encoders.published import Opened
from myocard.simulation import entries


def has_package() -> bool:
    return find_spec("openecg") is not None


def records() -> list[np.ndarray]:
    """Lead II of simulated records of 10 s at 500 Hz, in mV."""
    read = [entry.read() for entry in entries(3, 0, rate=500.0)]
    return [record.signal[[record.leads.index("II")]] for record in read]


def opened() -> tuple[Opened, dict[str, Tensor]]:
    """Open the package's checkpoint; return its tensors beside it."""
    import openecg

    path = Path(openecg.__file__).parent / "models" / "codec_v6.pt"
    content = read_content(path)
    return FAMILY.open(content, path), content["model_state"]


def package_inputs() -> Iterator[tuple[Tensor, Tensor]]:
    """Yield each record as we prepare it, and as the package does."""
    import openecg

    stated = opened()[0].input
    for record in records():
        theirs = np.asarray(openecg.rank_normalize(record[0]))
        yield torch.from_numpy(stated(record, 500)[0]), torch.from_numpy(theirs)


def package_arrays() -> tuple[Arrays, Arrays]:
    """Return every state and answer, ours and the package's, by name."""
    import openecg

    model, weights = opened()
    signals = torch.from_numpy(np.stack([model.input(record, 500) for record in records()]))
    theirs, expected = openecg.load_codec(), []
    theirs.lower_convs[0].register_forward_pre_hook(
        lambda _, given: expected.append(given[0].transpose(1, 2))
    )
    for module in (*theirs.lower_norms, *theirs.upper_transformer.layers):
        module.register_forward_hook(lambda *given: expected.append(given[-1]))
    with torch.inference_mode():
        answers = theirs(signals, torch.zeros(len(signals), dtype=torch.long))
        states = list(model.network.states(signals))
        found = [*states, *heads_of(weights, states[-1])]
    names = [*(layer.name for layer in model.layers), "waves", "beats", "rhythms"]
    expected += answers
    return dict(zip(names, found, strict=True)), dict(zip(names, expected, strict=True))


def heads_of(weights: Arrays, tokens: Tensor) -> list[Tensor]:
    """Answers for each sample, from the last tokens and the tensors that are left out."""
    samples = tokens.repeat_interleave(10, dim=1).transpose(1, 2)
    inner = gelu(conv1d(samples, weights["refine.0.weight"], weights["refine.0.bias"], padding=2))
    outer = conv1d(inner, weights["refine.2.weight"], weights["refine.2.bias"], padding=2)
    refined = (samples + outer).transpose(1, 2)
    names = ("head_sample", "beat_sample", "rhythm_sample")
    return [linear(refined, weights[f"{n}.weight"], weights[f"{n}.bias"]) for n in names]
