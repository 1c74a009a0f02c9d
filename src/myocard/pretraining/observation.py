"""Measures of a model in pretraining: the spread of its states, and a reconstruction."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from myocard.data.batches import Windows, in_order
from myocard.data.corpora import PretrainedOn
from myocard.data.signal import Preprocessing
from myocard.encoders.ours import EffectiveRank, MyocardEncoder
from myocard.encoders.protocol import joined_states
from myocard.nn.analysis.representation import effective_rank
from myocard.nn.objectives.masked import MaskedAutoencoder
from myocard.nn.patches import patchify, unpatchify
from myocard.plot.canvas import canvas_of
from myocard.plot.traces import draw_reconstruction, size_of
from myocard.pretraining.objectives import Model
from myocard.recipe import PretrainRecipe
from myocard.training.loop import seeded
from myocard.training.state import Step
from myocard.training.tracking import Observed, Tracking, following

COLLAPSED = 2.0
"""An effective rank below this is reported as a collapse. Random weights have about a tenth of the
width."""


def watched(
    model: Model,
    recipe: PretrainRecipe,
    windows: tuple[Windows, Windows],
    work: Path,
    tracking: Tracking | None,
    *,
    fsdp: bool,
) -> AbstractContextManager[Callable[[Step], None]]:
    """Mirror a pretraining in a tracker within a ``with`` block, which is given what to call.

    Args:
        model: The model.
        recipe: Settings of its training.
        windows: The corpus, and the records of which the first one is reconstructed.
        work: The folder of the training's state.
        tracking: The tracker; None for none.
        fsdp: True if other processes keep parts of the weights: the model itself is not seen then.
    """
    settings = recipe.optimisation
    return following(
        tracking, work, recipe.name, recipe.model_dump(mode="json") | {"records": len(windows[0])},
        records=settings.batch * settings.accumulate,
        observe=Observed if fsdp else lambda: _observed(model, recipe.name, *windows),
    )  # fmt: skip


def _observed(model: Model, name: str, windows: Windows, shown: Windows) -> Observed:
    """Ranks of all layers, and of a masked autoencoder a reconstruction."""
    model.eval()
    encoder = MyocardEncoder(name, model.encoder, windows.preprocessing, PretrainedOn())
    ranks = map(effective_rank, _first_states(encoder, windows).unbind(dim=1))
    figures = {}
    if isinstance(model, MaskedAutoencoder):
        arrays = reconstruct(model, shown, windows.preprocessing)
        with canvas_of(*size_of(arrays)) as canvas:
            draw_reconstruction(canvas.subplots(), arrays)
        figures["reconstruction"] = canvas
    model.train()
    numbers = {f"effective_rank/layer_{layer:02}": rank for layer, rank in enumerate(ranks)}
    return Observed(numbers, figures)


def spread(encoder: MyocardEncoder, windows: Windows) -> EffectiveRank:
    """The effective rank (RankMe) of LN(h_L) over the first 256 records."""
    states = _first_states(encoder, windows)[:, -1]
    return EffectiveRank(
        value=round(effective_rank(states), 2),
        bound=COLLAPSED,
        width=encoder.network.shape.width,
        records=len(states),
    )


@torch.inference_mode()
def _first_states(encoder: MyocardEncoder, windows: Windows) -> Tensor:
    """The pooled states of the first 256 records, each behind the final norm."""
    device = encoder.network.separator.device
    batches = islice(in_order(windows, batch=32), 8)
    return encoder.norm(torch.cat([joined_states(encoder, x.to(device)) for x in batches]))


@torch.inference_mode()
def reconstruct(
    model: MaskedAutoencoder, windows: Windows, preprocessing: Preprocessing
) -> dict[str, np.ndarray]:
    """The first record as it was, as it was shown to the encoder, and as the decoder completed it.

    Predicted patches come in units of each hidden patch's own mean and deviation; they are put back
    to its scale, so that the drawing shows shape, and not how well the level was guessed.
    """
    signals = next(in_order(windows, batch=1)).to(model.encoder.separator.device)
    with seeded(0):
        completed = model.eval()(signals, preprocessing.leads)
    patches = patchify(signals, model.encoder.shape.patch)
    variance, mean = torch.var_mean(patches, dim=-1, keepdim=True)
    rescaled = completed.patches.float() * (variance + 1e-6).sqrt() + mean
    hidden = completed.hidden[..., None]
    return {
        "original": signals[0].cpu().numpy(),
        "masked": unpatchify(patches.masked_fill(hidden, float("nan")))[0].cpu().numpy(),
        "reconstruction": unpatchify(torch.where(hidden, rescaled, patches))[0].cpu().numpy(),
        "rate": np.array(preprocessing.rate),
        "leads": np.array(preprocessing.leads),
    }
