"""Run pretraining and extraction on this machine's accelerator, and say how much of it they use.

    python speed/accelerator.py OUT              # at most eight minutes on one GPU
    python speed/accelerator.py OUT --rehearse   # the same code in tiny sizes, on a CPU too

``OUT`` gets ``figures.json``, and the runs behind it. Records are simulated. A step of pretraining
is timed as `myocard pretrain` makes it, and again on one batch that is there already: what the
first takes longer is the share of input. Floating-point operations are those of the matrix
products; the ceiling is a product of two large matrices in the same precision, timed in between.
Pooled states of all layers are compared with those that the CPU makes of the same records.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from pretraining import flops

from myocard import simulation
from myocard.data.batches import Part, Windows, in_order
from myocard.data.preparation import prepare_folder
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import pooled_states
from myocard.evaluation.features import Features, extract
from myocard.models.checkpoint import Checkpoint
from myocard.nn.objectives.decoders import DecoderShape
from myocard.nn.objectives.masked import MaskedAutoencoder
from myocard.nn.sizes import SIZES
from myocard.pretraining.pretrain import build, pretrain
from myocard.recipe import PretrainRecipe, check
from myocard.training.loop import decay_groups, precision

PRESET = "ecgsoup"
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Plan(NamedTuple):
    """The sizes of all runs.

    Attributes:
        records: Records of the store.
        timed: Size, batch and steps of the pretraining that is timed.
        short: The same of those that are only shown to learn.
        repeats: Steps on one batch.
        compared: Records whose states are compared with the CPU's.
        square: Side of the matrices.
    """

    records: int
    timed: tuple[str, int, int]
    short: tuple[tuple[str, int, int], ...]
    repeats: int
    compared: int
    square: int


WHOLE = Plan(4096, ("base", 256, 120), (("tiny", 256, 300), ("small", 256, 300)), 30, 64, 8192)
REHEARSAL = Plan(128, ("nano", 16, 6), (("nano", 16, 8),), 3, 16, 512)


def recipe_of(size: str, batch: int, steps: int, records: int) -> PretrainRecipe:
    optimisation = {
        "epochs": steps * batch / records,
        "warmup_epochs": 0.1 * steps * batch / records,
        "batch": batch,
        "base_learning_rate": 1.5e-4 if size == "base" else 1e-3,
        "weight_decay": 0.01,
        "betas": (0.9, 0.95),
        "checkpoint_every": steps,
        "workers": min(8, max(0, (os.cpu_count() or 1) - 2)),
    }
    given = {"name": size, "size": size, "corpus": [{}], "input": {"preset": PRESET}}
    return check(PretrainRecipe, given | {"optimisation": optimisation}, "accelerator")


def trained(store: Store, out: Path, size: str, batch: int, steps: int) -> dict[str, Any]:
    """Pretrain, and return the losses and the median seconds of a step once all is warm."""
    began = time.perf_counter()
    recipe = recipe_of(size, batch, steps, len(store.records))
    pretrain(recipe, {"simulated": store}, out / size)
    log = [json.loads(line) for line in (out / size / "log.jsonl").read_text().splitlines()]
    taken = [line["seconds"] for line in log[len(log) // 3 :]]
    return {
        "size": size, "batch": batch, "steps": len(log), "loss_first": log[0]["loss"],
        "loss_last": log[-1]["loss"], "s_step": statistics.median(taken),
        "s_all": time.perf_counter() - began,
    }  # fmt: skip


def synchronised() -> float:
    if DEVICE.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def median_seconds(work: Any, repeats: int) -> float:
    taken = []
    for _ in range(repeats + 2):
        began = synchronised()
        work()
        taken.append(synchronised() - began)
    return statistics.median(taken[2:])


def step_alone(plan: Plan, store: Store) -> tuple[float, float]:
    """Median seconds of a step on one batch that is there, and its floating-point operations."""
    size, batch, steps = plan.timed
    recipe = recipe_of(size, batch, steps, len(store.records))
    model, half = build(recipe).to(DEVICE), precision("auto") == "bf16"
    assert isinstance(model, MaskedAutoencoder)
    expected = recipe.input.preprocessing()
    rows = np.resize(np.arange(len(store.records)), batch)
    (signals,) = in_order(Windows([Part(store, rows)], expected), batch)
    signals = signals.to(DEVICE)
    optimiser = torch.optim.AdamW(decay_groups(model, 0.01), lr=1e-4, fused=True)

    def step() -> None:
        with torch.autocast(DEVICE.type, torch.bfloat16, enabled=half):
            loss = model(signals).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()

    taken = median_seconds(step, plan.repeats)
    shape = DecoderShape(*SIZES[size].decoder)
    return taken, batch * flops(model.encoder, shape, hidden_only=False)


def ceiling(square: int) -> float:
    """Floating-point operations a second of a product of two matrices."""
    kind = torch.bfloat16 if precision("auto") == "bf16" else torch.float32
    matrix = torch.randn(square, square, device=DEVICE, dtype=kind)
    return 2 * square**3 / median_seconds(lambda: matrix @ matrix, 10)


@torch.inference_mode()
def parity(
    encoder: MyocardEncoder, store: Store, features: Features, count: int
) -> dict[str, float]:
    """Compare states that the accelerator made with the CPU's, over their root mean square."""
    encoder.network.to("cpu")
    rows = np.arange(count)
    batches = in_order(Windows([Part(store, rows)], encoder.input), 16)
    wanted = torch.cat([pooled_states(encoder, each) for each in batches])
    found = features.pooled()[:count].float()
    rms = wanted.square().mean().sqrt()
    # States are kept in half precision.
    kept = (wanted.half().float() - wanted).abs().max() / rms
    return {"largest": float((found - wanted).abs().max() / rms), "of_half_precision": float(kept)}


def measured(plan: Plan, out: Path) -> Mapping[str, Any]:
    began = time.perf_counter()
    raw = simulation.write(out / "records", "ptbxl", count=plan.records)
    expected = recipe_of(*plan.timed, plan.records).input.preprocessing()
    store = prepare_folder("ptbxl-500", raw, out / "store", expected)
    data = time.perf_counter() - began
    timed = trained(store, out, *plan.timed)
    alone, operations = step_alone(plan, store)
    most = ceiling(plan.square)
    encoder = Checkpoint.load(out / timed["size"]).encoder
    began = time.perf_counter()
    features = extract(encoder, store, out / "features", batch=plan.timed[1])
    extraction = (time.perf_counter() - began) / len(store.records)
    name = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"
    return {
        "device": name, "torch": torch.__version__, "precision": precision("auto"),
        "s_simulated_and_prepared": data, "pretraining": timed,
        "s_step_alone": alone, "input_share": 1 - alone / timed["s_step"],
        "tflops": operations / timed["s_step"] / 1e12,
        "ceiling_tflops": most / 1e12,
        "of_the_ceiling": operations / timed["s_step"] / most,
        "ms_extracted": 1e3 * extraction,
        "against_cpu": parity(encoder, store, features, plan.compared),
        "short": [trained(store, out / f"short-{number}", *each)
                  for number, each in enumerate(plan.short)],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rehearse", action="store_true")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    figures = measured(REHEARSAL if given.rehearse else WHOLE, given.out)
    text = json.dumps(figures, indent=2)
    (given.out / "figures.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
