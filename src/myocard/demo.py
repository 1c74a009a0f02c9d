"""The main job on simulated ECGs, from records to report, in a few minutes on two cores."""

from collections.abc import Callable
from dataclasses import dataclass
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

INPUT = InputSettings(preset="ecgsoup", highpass=0.5, lowpass=40.0)
TRAIN, VALIDATION = (1, 2, 3, 4, 5, 6, 7, 8), (9,)

Advance = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class Plan:
    """How much of everything a demo does.

    Attributes:
        records: To simulate.
        pretraining: Of the encoder, ``nano``.
        probing: Of its states, and of those of the same encoder with random weights.
    """

    records: int
    pretraining: Optimisation
    probing: ProbeRecipe


PLAN = Plan(
    records=1000,
    # Two hundred times the papers' learning rate a record: the demo has minutes, they had days.
    pretraining=Optimisation(
        epochs=15,
        warmup_epochs=1,
        batch=16,
        base_learning_rate=3.2e-2,
        weight_decay=0.01,
        betas=(0.9, 0.95),
    ),
    probing=ProbeRecipe(
        task="ptbxl-all",
        heads=("linear",),
        penalties=(1e-3, 1e-2, 1e-1),
        min_positives=5,
        optimisation=Optimisation(
            epochs=40, batch=128, base_learning_rate=8e-3, weight_decay=0.0, precision="fp32"
        ),
    ),
)


def run(out: Path, advance: Advance, plan: Plan = PLAN) -> Path:
    """Do the main job below ``out``; what is there already is kept, so a stopped demo goes on.

    Returns:
        The report's page.
    """
    store = _store(out, advance, plan.records)
    checkpoint = _checkpoint(out, advance, plan.pretraining)
    encoders = (checkpoint, checkpoint.randomised(0))
    count, cells = len(encoders) * len(store.records), len(encoders) * len(plan.probing.readouts)
    extracted, begun = 0, 0

    def on_extracted(records: int) -> None:
        nonlocal extracted
        extracted += records
        advance("extract", extracted, count)

    def on_cell(cell: str) -> None:
        nonlocal begun
        begun += 1
        advance(f"probe, {cell}", begun, cells)

    caches = [extract(e, store, out / "features" / e.name, report=on_extracted) for e in encoders]
    for cache in caches:
        probe(cache, plan.probing, out / "results", test=True, report=on_cell)
    write_report([out / "results", out / "encoder"], out)
    return out / "report.html"


def _store(out: Path, advance: Advance, records: int) -> Store:
    folder, source = out / "store", out / "records"
    if folder.exists():
        return Store.open(folder)
    simulator.write(
        source,
        "ptbxl",
        count=records,
        progress=lambda done: advance("simulate", done, records),
    )
    stated = INPUT.preprocessing()
    wanted = Wanted(stated.rate, 10.0, stated.leads, stated.band)
    prepared = 0

    def on_prepared(count: int) -> None:
        nonlocal prepared
        prepared += count
        advance("prepare", prepared, records)

    found = entries("ptbxl-100", source)
    return prepare(found, folder, wanted, source="simulated ptbxl", progress=on_prepared)


def _checkpoint(out: Path, advance: Advance, optimisation: Optimisation) -> Checkpoint:
    folder = out / "encoder"
    if folder.exists():
        return Checkpoint.load(folder)
    recipe = PretrainRecipe(
        name="demo",
        corpus=(CorpusPart(store=out / "store", folds=TRAIN),),
        watch=CorpusPart(store=out / "store", folds=VALIDATION),
        input=INPUT,
        size="nano",
        optimisation=optimisation,
    )
    return pretrain(
        recipe,
        folder,
        report=lambda p: advance(f"pretrain, loss {p.loss:.3f}", p.step, p.steps),
    )
