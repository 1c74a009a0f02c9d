"""Read every layer of published architectures with random weights, of ours and of openecg's.

    pip install --no-deps openecg opendsp
    .venv/bin/python docs/experiments/architectures.py out docs/results [CHECKPOINT …]

Random weights have the true sizes, from the lists of names and shapes in ``MYOCARD_DATA``. Records
are those of PTB-XL's folds 7 to 10 that ``ptbxl_100`` has, in mV; each fold is tested by probes
that were trained on two others. CHECKPOINTs must not be pretrained on these folds.
"""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from myocard.data.preparation import Wanted, prepare
from myocard.data.sources import entries as entries_of
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder, joined_states
from myocard.encoders.published import encoder_of
from myocard.encoders.registry import families, open_published
from myocard.evaluation.crossfit import cross_fit
from myocard.evaluation.features import extract
from myocard.leads import LEADS
from myocard.metrics.summary import difference, macro_resamples
from myocard.models.checkpoint import load_encoder
from myocard.recipe import ProbeRecipe, check
from myocard.report import write_report
from myocard.results.saved import load_runs

FOLDS = (7, 8, 9, 10)
TASK = "ptbxl-superdiagnostic"
WEIMANN = {
    "channel_size": 5000, "patch_size": 25, "dim": 384, "depth": 8, "num_heads": 6, "mlp_ratio": 4,
    "qkv_bias": False, "bias": False, "num_registers": 1, "norm_eps": 1e-6, "layer_scale_eps": 0.0,
    "sampling_frequency": 500, "channels": [lead.upper() for lead in LEADS],
}  # fmt: skip
Weights = dict[str, Tensor]
FORMS: dict[str, tuple[str, Callable[[Weights], Mapping[str, Any]]]] = {
    "merl-vit": ("merl/keys_published_vit_tiny.tsv", lambda weights: weights),
    "merl-resnet": ("merl/keys_published_resnet18.tsv", lambda weights: weights),
    "hubert-ecg": ("hubert-ecg/keys_published_base.tsv", lambda weights: {"model": weights}),
    "ecgfounder": (
        "ecgfounder/keys_published_12_lead.tsv",
        lambda weights: {"state_dict": weights},
    ),
    "ecg-jepa-weimann": (
        "ecg-jepa-weimann/keys_published_ViTS_mimic.tsv",
        lambda weights: {"model": weights, "config": WEIMANN},
    ),
    "ecg-fm": ("ecg-fm/keys_published_pretrained.tsv", lambda weights: {"model": weights}),
    "st-mem": ("st-mem/keys_published_encoder.tsv", lambda weights: {"model": weights}),
    "ecg-jepa-kim": ("ecg-jepa-kim/keys_published.tsv", lambda weights: {"encoder": weights}),
}


def drawn(keys: Path) -> Weights:
    """Tensors of a list's names and shapes, which only tell the sizes."""
    rows = [line.split("\t") for line in keys.read_text().splitlines() if line[0] != "#"]
    shapes = {name: [int(n) for n in size.split("x") if n != "scalar"] for name, size, _ in rows}
    weights = {name: 0.02 * torch.randn(shape) for name, shape in shapes.items()}
    weights |= {n: torch.tensor(0) for n in weights if n.endswith("num_batches_tracked")}
    # A random control keeps this table, which its makers compute.
    return weights | ({"pos_embed": sines(768)} if "pos_embed" in weights else {})


def sines(width: int) -> Tensor:
    """ECG-JEPA's table of 8 leads × 50 times: half of the features for time, half for leads."""
    rates = 10000.0 ** -(torch.arange(width // 4) / (width // 4))
    time, lead = torch.arange(50.0).repeat(8), torch.arange(8.0).repeat_interleave(50)
    angles = [place[:, None] * rates for place in (time, lead)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], dim=1)


def encoders(checkpoints: list[str]) -> Iterator[ECGEncoder]:
    for checkpoint in checkpoints:
        trained = load_encoder(checkpoint)
        yield trained
    if checkpoints:
        yield trained.randomised(0)
    spec = find_spec("openecg")
    if spec is not None and spec.origin is not None:
        trained = open_published(Path(spec.origin).parent / "models" / "codec_v6.pt")
        yield from (trained, trained.randomised(0))
    data = Path(os.environ["MYOCARD_DATA"]) / "encoders"
    for name, (file, form) in FORMS.items():
        content = form(drawn(data / file))
        (family,) = (family for family in families() if family.recognises(content))
        yield encoder_of(family.open(content, data / file), name).randomised(0)


def ratio(encoder: ECGEncoder, store: Store) -> float:
    """Time of every layer pooled over that of the last layer alone: of one pass and of another."""
    signals = torch.from_numpy(store.windows(range(8), encoder.input))
    found = []
    with torch.inference_mode():
        for _ in range(3):
            began = time.perf_counter()
            for tokens in encoder.hidden_states(signals):
                last = tokens
            encoder.pool(last)
            plain = time.perf_counter() - began
            began = time.perf_counter()
            joined_states(encoder, signals)
            found.append((time.perf_counter() - began) / plain)
    return float(np.median(found))


def line(encoder: ECGEncoder, seconds: float | None, runs: Path, times: float) -> dict[str, Any]:
    """Best layer against last, with an interval over patients."""
    scores: dict[str, np.ndarray] = {}
    for saved in load_runs(runs / encoder.info.name):
        found = saved.predictions("test")
        name = saved.info.readout if saved.info.layer is None else f"layer {saved.info.layer}"
        scores[name] = macro_resamples(
            found.targets, found.scores, groups=found.patients, resamples=1000
        )
    last, best = scores["last"], scores["best-layer"]
    gain = difference(best, last)
    by_layer = {name: values[0] for name, values in scores.items() if name.startswith("layer ")}
    peak = max(by_layer, key=lambda name: by_layer[name])
    return {
        "encoder": encoder.info.name, "random": encoder.info.random, "layers": len(encoder.layers),
        "widths": "-".join(str(w) for w in dict.fromkeys(la.width for la in encoder.layers)),
        "parameters": sum(p.numel() for p in encoder.network.parameters()),
        "last": last[0], "last_low": np.quantile(last[1:], 0.025),
        "last_high": np.quantile(last[1:], 0.975), "best_layer": best[0], "highest": peak,
        "gain": gain.difference, "gain_low": gain.low, "gain_high": gain.high, "p": gain.p,
        "concat": scores["concat"][0], "scalar_mix": scores.get("scalar-mix", [np.nan])[0],
        "seconds_a_record": seconds, "all_layers_over_last": times,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }  # fmt: skip


def main() -> None:
    out, results, checkpoints = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
    torch.manual_seed(0)
    listed = entries_of("ptbxl-100", Path(os.environ["MYOCARD_DATA"]) / "ptbxl_100")
    chosen = [entry for entry in listed if entry.fold in FOLDS]
    wanted = Wanted(100, 10.0, LEADS)
    store = prepare(chosen, out / "store", wanted, source="ptbxl")
    lines = []
    for encoder in encoders(checkpoints):
        features = extract(encoder, store, out / "features" / encoder.info.name, batch=16)
        equal = len({layer.width for layer in encoder.layers}) == 1
        readouts = ["last", "layers", "concat", *(["scalar-mix"] if equal else [])]
        given = {
            "task": TASK, "min_positives": 5, "readouts": readouts, "heads": ["linear"],
            "seeds": [0],
            "split": {"train": FOLDS[:2], "validation": FOLDS[2:3], "test": FOLDS[3:]},
        }  # fmt: skip
        cross_fit(
            features, check(ProbeRecipe, given, "architectures"), FOLDS, out / "rotations",
            out / "runs",
        )  # fmt: skip
        lines.append(line(encoder, features.seconds, out / "runs", ratio(encoder, store)))
        print(pd.DataFrame(lines).iloc[-1].to_dict(), flush=True)
        table = pd.DataFrame(lines).round(4)
        table.to_csv(results / "architectures.csv", index=False, lineterminator="\n")
        del encoder, features
    write_report([out / "runs"], out / "report")


if __name__ == "__main__":
    main()
