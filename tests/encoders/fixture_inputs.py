"""Records that published models' makers prepared, beside ours."""

from collections.abc import Iterator
from pathlib import Path

import torch
from fixture_states import FIXTURES, Arrays, read
from torch import Tensor

from myocard.data.signal import Preprocessing
from myocard.data.steps import Resample
from myocard.encoders import ecg_jepa_weimann, merl, st_mem
from myocard.encoders.ecgfounder import stated_input
from myocard.encoders.registry import open_published
from myocard.leads import LEADS


def stated(root: Path, model: str) -> Preprocessing:
    """Return the input that a model states for records of ten seconds."""
    if model == "st-mem":
        return st_mem.stated_input(2250)
    if model == "merl":
        return merl.stated_input(5000)
    if model != "ecg-jepa-weimann":
        (file, *_) = (file for file in FIXTURES if file.startswith(f"{model}/"))
        return open_published(root / file).input
    content = torch.load(root / model / "chkpt.min.pt", weights_only=True)
    constants = {name: read(root / model / "preprocess.npz")[name] for name in ("mean", "std")}
    statement = {"config": content["config"] | {"channel_size": 5000}, "preprocess": constants}
    return ecg_jepa_weimann.stated_input(ecg_jepa_weimann.Statement.model_validate(statement))


def prepared(root: Path, model: str) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield a record's rate, its signals as we prepare them, and as its makers do."""
    given, expected = read(root / model / "preprocess.npz"), stated(root, model)
    inputs = {"": expected} | ({"1lead_": stated_input(("I",))} if model == "ecgfounder" else {})
    for rate in (500, 100):
        for prefix, own in inputs.items():
            name = f"out_{prefix}from_{rate}"
            records = given[f"raw_{rate}"] if name in given else ()
            for record, out in zip(records, given.get(name, ()), strict=False):
                signals = record[[LEADS.index(lead) for lead in own.leads]].numpy()
                yield f"{rate} Hz", torch.from_numpy(own(signals, rate)), window(model, out, given)
    if model == "ecg-cpc":
        parts = given["raw_500"][1].unflatten(1, (4, -1)).transpose(0, 1).numpy()
        resampled = Preprocessing(240, 600, steps=(Resample(240, "kaiser"),))
        for part, out in zip(parts, given["out_windows_from_500"][0], strict=True):
            yield "500 Hz", torch.from_numpy(resampled(part, 500)), out


def window(model: str, out: Tensor, given: Arrays) -> Tensor:
    """Return the window that we read of what a model's makers prepared."""
    if model == "st-mem":
        return out[given["crop_starts"].tolist().index(125)]
    if model == "ecg-fm":
        # Upstream cuts segments from the beginning on; here it is one window, in the middle.
        return torch.cat([*out], dim=1)[:, 1250:3750]
    return out.unflatten(0, (len(LEADS), -1)) if model == "hubert-ecg" else out
