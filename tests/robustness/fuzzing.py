"""Spoiled files beside those of ECGs: does any crash a reader, hang it, or fill the memory?

    .venv/bin/python tests/robustness/fuzzing.py --examples 2000

Writes one valid file of every kind, spoils it (flipped bits, cuts, splices, numbers made huge,
negative or none, paths that lead out of the folder) and reads it. Allowed are an object and an
``InputError``; all else is a fault: another exception, a crash, more than 10 s, more than 1 GiB
beyond what the reader had, or a file opened outside the folder. Folders with hashes are read with
the hashes put right again in half of the cases, so that what lies behind them is reached.
"""

import argparse
import json
import logging
import os
import random
import resource
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from confinement import forbid_files_outside
from mutations import mutated
from safetensors.torch import save_file

from myocard import simulation
from myocard.benchmark import reading
from myocard.data import sources, store
from myocard.data.corpora import trained_on_nothing
from myocard.data.leaks import read_fingerprints, recognise, write_fingerprints
from myocard.data.preparation import Wanted, prepare
from myocard.data.signal import Preprocessing
from myocard.encoders import merl
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.registry import open_published
from myocard.errors import InputError
from myocard.evaluation.features import Features, extract
from myocard.evaluation.probing import probe
from myocard.files import manifest as manifests
from myocard.files.step import read_inputs
from myocard.leads import LEADS
from myocard.models.checkpoint import HASHED, Checkpoint
from myocard.models.classifier import read_classifiers
from myocard.nn.encoder import Encoder, EncoderShape
from myocard.recipe import (
    FinetuneRecipe,
    PretrainRecipe,
    ProbeRecipe,
    read_baseline,
    read_input,
    read_recipe,
)
from myocard.results.layers import LayerMeasures, Point
from myocard.results.run import EncoderInfo, Hashes
from myocard.results.saved import load_runs

SECONDS, ROOM = 10, 2**30


@dataclass(frozen=True)
class Target:
    """A reader, and the files in a folder of which one is spoiled at a time."""

    read: Callable[[Path], object]
    files: tuple[str, ...]
    manifest: tuple[manifests.Manifest, tuple[str, ...]] | None = None


def targets(place: Path) -> dict[str, Target]:
    """List every reader, with a folder of its name and valid files in it."""
    folders = _folders(place)
    encoder = Checkpoint.load(place / "checkpoint").encoder
    states = encoder.norm, encoder.layers
    records = store.Store.open(place / "store").records

    return {
        **{
            f"table of {name}": Target(lambda f, n=name: sources.entries(n, f), (file,))
            for name, file in folders.items()
        },
        **{
            f"{name} recipe": Target(
                lambda f, r=read, n=name: r(f / f"{n}.toml"), (f"recipes/{name}.toml",)
            )
            for name, read in _RECIPES.items()
        },
        "input of a recipe": Target(
            lambda f: read_input(f / "pretrain.toml"), ("recipes/pretrain.toml",)
        ),
        "inputs of a folder": Target(read_inputs, ("store/inputs.json",)),
        "checkpoint": Target(
            Checkpoint.load,
            tuple(f"checkpoint/{n}" for n in ("config.json", *HASHED)),
            (manifests.CHECKPOINT, HASHED),
        ),
        "store": Target(
            store.Store.open,
            ("store/store.json", "store/records.parquet", "store/signals.npy"),
            (manifests.STORE, store.FILES),
        ),
        "cache of states": Target(
            lambda f: Features.open(f).norm,
            tuple(f"cache/{n}" for n in ("features.json", *_CACHE)),
            (manifests.FEATURES, _CACHE),
        ),
        "run": Target(
            lambda f: (read_classifiers(f, *states), _predictions(f)),
            tuple(f"run/{n}" for n in _RUN),
        ),
        "measures of layers": Target(LayerMeasures.read, ("layers/layers.json",)),
        "fingerprints": Target(
            lambda f: recognise(read_fingerprints(f / "a.parquet").records, records),
            ("fingerprints/a.parquet",),
        ),
        **{
            f"published .{kind}": Target(
                lambda f, n=f"a.{kind}": open_published(f / n), (f"published/a.{kind}",)
            )
            for kind in ("pt", "safetensors")
        },
    }


def _predictions(folder: Path) -> object:
    (run,) = load_runs(folder)
    return run.predictions("validation")


_RUN = ("run.json", "predictions.parquet", "classifier.safetensors")
_CACHE = ("states.npy", "records.parquet", "norm.safetensors")
_RECIPES: dict[str, Callable[[Path], object]] = {
    "pretrain": lambda file: read_recipe(file, PretrainRecipe),
    "probe": lambda file: read_recipe(file, ProbeRecipe),
    "finetune": lambda file: read_recipe(file, FinetuneRecipe),
    "baseline": read_baseline,
    "benchmark": lambda file: reading.read_benchmark(str(file)),
}
_TEXTS = {
    "probe": """
task = "ptbxl-superdiagnostic"
readouts = ["last"]
heads = ["linear"]
min_positives = 1
resamples = 10
seeds = [0]
penalties = [1e-2]
optimisation = { epochs = 1, batch = 16 }
""",
    "pretrain": """
name = "fuzzed"
size = "nano"
corpus = [{ store = "store", folds = [1, 2] }]
mask_ratio = 0.75
input = { preset = "ecgsoup", highpass = 0.5, lowpass = 40.0, leads = ["I", "II"] }
optimisation = { epochs = 10, batch = 16, base_learning_rate = 1e-3, weight_decay = 0.01 }
""",
    "finetune": """
task = "ptbxl-superdiagnostic"
start = "scratch"
readout = "pma"
crops = 2
split = { train = [1, 2], validation = [3], test = [4] }
optimisation = { epochs = 1, batch = 16 }
""",
    "baseline": """
model = "xresnet1d101"
task = "ptbxl-superdiagnostic"
seconds = 2.5
fraction = 0.5
optimisation = { epochs = 1, batch = 16 }
""",
}


def _folders(place: Path) -> dict[str, str]:
    """Write vendors' folders; return the table of each."""
    simulation.write(place / "ptbxl", "ptbxl", count=2)
    (place / "folder").mkdir()
    (place / "folder/labels.csv").write_text(
        "file,patient,codes,rate,age\na.npy,1,scp:NORM,100,50\n"
    )
    (place / "cinc2011").mkdir()
    (place / "cinc2011/labels.csv").write_text("record,quality\na,acceptable\n")
    classes = "1dAVb,RBBB,LBBB,SB,ST,AF"
    (place / "code15").mkdir()
    (place / "code15/meta.csv").write_text(
        f"exam_id,patient_id,age,is_male,save_file,sample_rate,{classes}\n"
        f"1,2,50,True,a.mat,400,{','.join(['True'] * 6)}\n"
    )
    for signals in ("folder/a.npy", "cinc2011/a.hea", "code15/a.mat"):
        (place / signals).touch()
    return {
        "ptbxl-100": "ptbxl/ptbxl_database.csv",
        "folder": "folder/labels.csv",
        "cinc2011": "cinc2011/labels.csv",
        "code15": "code15/meta.csv",
    }


def _made(place: Path) -> None:
    """Make a store, an encoder, a cache, recipes, a run and measures of layers."""
    shape = EncoderShape(samples=100, patch=10, width=12, depth=3, heads=3)
    listed = simulation.entries(120, 0, rate=100.0)
    made = prepare(listed, place / "store", Wanted(100, 10.0, LEADS), source="sim", jobs=1)
    network, expected = Encoder(shape).eval(), Preprocessing(100, 100)
    encoder = MyocardEncoder("tiny", network, expected, trained_on_nothing())
    Checkpoint(encoder, {}).save(place / "checkpoint")
    features = extract(encoder, made, place / "cache")
    (place / "recipes").mkdir()
    demo = Path(reading.__file__).with_name("configs") / "demo.toml"
    for name, text in (_TEXTS | {"benchmark": demo.read_text()}).items():
        (place / f"recipes/{name}.toml").write_text(text)
    recipe = read_recipe(place / "recipes/probe.toml", ProbeRecipe)
    (run,) = probe(features, recipe, place / "runs")
    run.rename(place / "run")
    (place / "fingerprints").mkdir()
    write_fingerprints(made.records, place / "fingerprints/a.parquet")
    (place / "published").mkdir()
    weights = merl.ResNet(4, (1, 1, 1, 1)).state_dict()
    torch.save(weights, place / "published/a.pt")
    save_file(weights, place / "published/a.safetensors")
    (place / "layers").mkdir()
    LayerMeasures(
        encoder=EncoderInfo(name="tiny"),
        task="ptbxl-superdiagnostic",
        source="sim",
        head="linear",
        leads=LEADS,
        split="validation",
        records={"train": 96, "validation": 12},
        best_layer=1,
        metric="auroc",
        measures={"probe": (Point(layer=1, value=0.7, low=0.6, high=0.8),)},
        alignment=((1.0, 0.5), (0.5, 1.0)),
        mask_ratio=0.5,
        seed=0,
        hashes=Hashes(store=made.key),
        seconds=0.1,
    ).write(place / "layers")


def fuzz(target: Target, place: Path, examples: int, seed: str, fault: Path) -> int:
    """Read spoiled files until something is wrong; return how many were read and refused."""
    rng, refused = random.Random(seed), 0
    valid = {name: (place / name).read_bytes() for name in target.files}
    folder = place / Path(target.files[0]).parent
    target.read(folder)
    forbid_files_outside(place.parent)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, _too_long)
    for _example in range(examples):
        name = rng.choice(target.files)
        content = mutated(valid[name], rng)
        (place / name).write_bytes(content)
        fault.write_bytes(name.encode() + b"\n" + content)
        if (
            target.manifest
            and name != f"{folder.name}/{target.manifest[0].file}"
            and rng.random() < 0.5
        ):
            _rehash(folder, *target.manifest)
        signal.alarm(SECONDS)
        try:
            target.read(folder)
        except InputError:
            refused += 1
        signal.alarm(0)
        for every, whole in valid.items():
            (place / every).write_bytes(whole)
    fault.unlink()
    return refused


def _too_long(number: int, frame: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


def _rehash(folder: Path, manifest: manifests.Manifest, files: tuple[str, ...]) -> None:
    stated = json.loads((folder / manifest.file).read_text())
    kept = {key: value for key, value in stated.items() if key not in ("sha256", "format")}
    manifest.write(folder, kept, files)


def in_a_fork(target: Target, place: Path, examples: int, seed: str) -> tuple[int, str]:
    """Fuzz in a process of its own; return the refusals, and what went wrong."""
    fault, told = place.with_name("fault"), place.with_name("told")
    child = os.fork()
    if child == 0:
        warnings.simplefilter("ignore")
        try:
            told.write_text(str(fuzz(target, place, examples, seed, fault)))
        except BaseException:
            told.write_text(traceback.format_exc())
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    if fault.exists():
        name, content = fault.read_bytes().split(b"\n", 1)
        kept = Path(tempfile.gettempdir()) / f"fuzzed-{time.time_ns()}-{Path(name.decode()).name}"
        kept.write_bytes(content)
        fault.unlink()
        ended = f"signal {status}" if status else told.read_text()
        return 0, f"{kept}: {ended}"
    text = told.read_text()
    return (int(text), "") if text.isdigit() else (0, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=2000, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    logging.disable()  # columns that a spoiled table lacks
    faults = []
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").exists() else None) as name:
        place = Path(name) / "place"
        place.mkdir()
        _made(place)
        print("kind                 inputs  refused  seconds")
        for kind, target in targets(place).items():
            if asked.only in kind:
                began = time.perf_counter()
                refused, fault = in_a_fork(target, place, asked.examples, f"{asked.seed} {kind}")
                seconds = time.perf_counter() - began
                print(
                    f"{kind:20} {asked.examples:6} {refused:8} {seconds:8.1f}  {fault}", flush=True
                )
                faults += [fault] if fault else []
    if faults:
        raise SystemExit(f"{len(faults)} kinds with a fault")


if __name__ == "__main__":
    main()
