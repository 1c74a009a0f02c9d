"""The main job on simulated ECGs, from records to report, in a few minutes on two cores."""

from collections.abc import Callable
from pathlib import Path

from myocard.checkpoint import Checkpoint
from myocard.data.sources import entries, simulator
from myocard.data.store import Store
from myocard.features import extract
from myocard.preparation import Wanted, prepare
from myocard.pretraining import pretrain
from myocard.probing import probe
from myocard.recipe import CorpusPart, InputSettings, Optimisation, PretrainRecipe, ProbeRecipe
from myocard.reporting import write_report

RECORDS = 1500
INPUT = InputSettings(preset="ecgsoup", highpass=0.5, lowpass=40.0)
TRAIN, VALIDATION = (1, 2, 3, 4, 5, 6, 7, 8), (9,)
# Seven times the learning rate of the papers per record: the demo has minutes, not days.
PRETRAINING = Optimisation(
    epochs=14,
    warmup_epochs=2,
    batch=32,
    base_learning_rate=1.2e-2,
    weight_decay=0.01,
    betas=(0.9, 0.95),
)
PROBING = ProbeRecipe(task="ptbxl-all", heads=("linear",), min_positives=5, resamples=500)

Advance = Callable[[str, int, int], None]


def run(out: Path, advance: Advance) -> Path:
    """Do the main job below ``out``; what is there already is kept, so a stopped demo goes on.

    Returns:
        The report's page.
    """
    store = _store(out, advance)
    checkpoint = _checkpoint(out, advance)
    done = 0
    for encoder in (checkpoint, checkpoint.randomised(0)):

        def extracted(count: int) -> None:
            nonlocal done
            done += count
            advance("extract", done, 2 * len(store.records))

        features = extract(encoder, store, out / "features" / encoder.name, report=extracted)
        probe(
            features,
            PROBING,
            out / "results",
            test=True,
            report=lambda cell: advance(f"probe, {cell}", 0, 1),
        )
    write_report([out / "results", out / "encoder"], out)
    return out / "report.html"


def _store(out: Path, advance: Advance) -> Store:
    records, folder = out / "records", out / "store"
    if folder.exists():
        return Store.open(folder)
    simulator.write(
        records,
        "ptbxl",
        count=RECORDS,
        progress=lambda done: advance("simulate", done, RECORDS),
    )
    stated = INPUT.preprocessing()
    done = 0

    def prepared(count: int) -> None:
        nonlocal done
        done += count
        advance("prepare", done, RECORDS)

    wanted = Wanted(stated.rate, 10.0, stated.leads, stated.band)
    found = entries("ptbxl-100", records)
    return prepare(found, folder, wanted, source="simulated ptbxl", progress=prepared)


def _checkpoint(out: Path, advance: Advance) -> Checkpoint:
    folder = out / "encoder"
    if folder.exists():
        return Checkpoint.load(folder)
    recipe = PretrainRecipe(
        name="demo",
        corpus=(CorpusPart(store=out / "store", folds=TRAIN),),
        watch=CorpusPart(store=out / "store", folds=VALIDATION),
        input=INPUT,
        size="nano",
        optimisation=PRETRAINING,
    )
    return pretrain(
        recipe,
        folder,
        report=lambda p: advance(f"pretrain, loss {p.loss:.3f}", p.step, p.steps),
    )
