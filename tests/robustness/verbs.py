"""Every command that writes a folder, and tiny materials for them."""

from dataclasses import replace
from pathlib import Path

from myocard import simulation
from myocard.data.corpora import trained_on_nothing
from myocard.data.preparation import Wanted, prepare
from myocard.data.store import Store
from myocard.encoders.ours import MyocardEncoder
from myocard.evaluation.features import extract
from myocard.evaluation.probing import probe
from myocard.files.checksums import SUMS
from myocard.files.manifest import file_hash
from myocard.leads import LEADS
from myocard.models.checkpoint import Checkpoint
from myocard.models.saving import save
from myocard.recipe import ProbeRecipe, read_recipe
from myocard.simulation.layouts.vendor_files import write_marks

_EVALUATION = """
task = "ptbxl-superdiagnostic"
min_positives = 1
resamples = 10
seeds = [0]
"""
_PROBE = f"""
{_EVALUATION}
readouts = ["last"]
heads = ["linear"]
penalties = [1e-2]
optimisation = {{ epochs = 1, batch = 16 }}
"""
RECIPES = {
    "nano.toml": """
name = "new"
size = "nano"
input = { leads = ["II"] }
corpus = [{ folds = [1] }]
optimisation = { epochs = 2, batch = 2, base_learning_rate = 1e-3, weight_decay = 0.0 }
""",
    "probe.toml": _PROBE,
    "tokens.toml": _PROBE.replace('"last"', '"attentive-tokens"'),
    "finetune.toml": f"{_EVALUATION} optimisation = {{ epochs = 1, batch = 16 }}",
    "ridge.toml": f'{_EVALUATION} model = "minirocket"\nfeatures = 84',
    "tiny.toml": """
random = []
stores.sim = { source = "ptbxl-100", simulate = { records = 30 } }
sweeps = [{ store = "sim", tasks = ["ptbxl-superdiagnostic"] }]
input = { leads = ["I", "II"] }

[[encoders]]
name = "tiny"
size = "nano"
corpus = [{ store = "sim", folds = [1, 2] }]
optimisation = { epochs = 1, batch = 2, base_learning_rate = 1e-3, weight_decay = 0.0 }

[probing]
readouts = ["last", "attentive-tokens"]
heads = ["linear"]
penalties = [1e-2]
seeds = [0]
resamples = 10
split = { train = [1, 2, 3, 4], validation = [5, 6, 7], test = [8, 9, 10] }
optimisation = { epochs = 1, batch = 16 }
""",
}
RUN = "tiny/ptbxl-superdiagnostic/last-linear"

ONE_FOLDER = {
    "simulate": "simulate --records 1 --out {out}",
    "prepare": "prepare ptbxl-100 records --jobs 1 --out {out}",
    "fetch": "fetch store --out {out}",
    "fetch, by name": "fetch ludb {out} --from published",
    "pretrain": "pretrain nano.toml --store store --out {out}",
    "extract": "extract encoder store --out {out}",
    "finetune": "finetune finetune.toml encoder store --out {out}",
    "baseline": "baseline ridge.toml store --out {out}",
    "report": "report results --out {out}",
    "save": f"save encoder results/{RUN} --out {{out}}",
    "task": "task labels.csv store --id id --target y --kind binary --out {out}",
    "compare": (
        f"compare one=results/{RUN} other=results/{RUN} --split validation --resamples 100 "
        "--out {out}"
    ),
    "leaderboard": "leaderboard results --out {out}",
    "explain, of a folder": (
        f"explain encoder records/records100 --probe results/{RUN} --out {{out}}"
    ),
}
"""Commands that make the folder by which ``out`` is replaced, as one."""

MANY_FOLDERS = {
    "probe": "probe probe.toml features --out {out}",
    "probe, streamed": "probe tokens.toml --encoder encoder --store store --out {out}",
    "transfer": f"transfer features features-b results/{RUN} --out {{out}}",
    "layers": "layers encoder store --task ptbxl-superdiagnostic --out {out}",
    "delineate": "delineate encoder store-b --annotations marks --out {out}",
    "benchmark": "benchmark tiny.toml --jobs 1 --out {out}",
}
"""Commands that make folders in ``out``."""

ONE_FILE = {
    "predict": f"predict encoder records/records100 --probe results/{RUN} --out {{out}}.csv",
    "rescore": "rescore results --out {out}.csv",
    "export": "export model --format torch --out {out}.pt2",
    "explain": (
        f"explain encoder records/records100/00000/00001_lr.hea --probe results/{RUN} "
        "--out {out}.html"
    ),
}
"""Commands that make a file, whose name begins with ``out``."""

COMMANDS = ONE_FOLDER | MANY_FOLDERS | ONE_FILE


def other_store(out: Path) -> Store:
    """Prepare forty records of another hospital, under LUDB's name."""
    listed = simulation.entries(40, 0, rate=100.0, site="B")
    return prepare(listed, out, Wanted(100, 10.0, LEADS), source="ludb", jobs=1)


def _publish(folder: Path) -> None:
    """Write the list of checksums, as PhysioNet does."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    lines = [f"{file_hash(path)} {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS).write_text("".join(lines))


def _mark(folder: Path, store: Store, first: int) -> None:
    """Mark a beat of every record's first lead as LUDB does, from the sample ``first`` on."""
    folder.mkdir()
    samples = [first, first + 5, first + 10, first + 12, first + 16, first + 20]
    for name in store.records["id"]:
        (folder / f"{name}.hea").write_text(f"{name} 1 100 1000\n{name}.dat 16\n")
        write_marks(folder / f"{name}.i", samples, "(p)(N)")


def materials(place: Path, encoder: MyocardEncoder, store: Store, other: Store) -> None:
    """Write all that the commands read into ``place``."""
    encoder = replace(encoder, pretrained_on=trained_on_nothing())
    Checkpoint(encoder, {}).save(place / "encoder")
    (place / "store").symlink_to(store.folder)
    (place / "store-b").symlink_to(other.folder)
    simulation.write(place / "records", "ptbxl", count=2)
    for name, seed in (("published", 0), ("published-b", 1)):
        _publish(simulation.write(place / name, "ludb", count=1, seed=seed))
    _mark(place / "marks", other, first=460)
    _mark(place / "marks-b", other, first=480)
    features = extract(encoder, store, place / "features")
    extract(encoder, other, place / "features-b")
    for name, text in RECIPES.items():
        (place / name).write_text(text)
    store.records[["id"]].assign(y=[0, 1] * 30).to_csv(place / "labels.csv", index=False)
    probe(features, read_recipe(place / "probe.toml", ProbeRecipe), place / "results")
    for name, sensitivity in (("model", None), ("model-b", 0.9)):
        save(place / "encoder", place / "results" / RUN, place / name, sensitivity=sensitivity)


def without_scores(said: str) -> str:
    """Leave out the warning of runs that tell nothing, as those of a few records may."""
    lines = said.splitlines(keepends=True)
    return "".join(line for line in lines if "worse than chance on validation" not in line)
