"""Each kind of piece of a benchmark, made small: the programs themselves on simulated records."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from myocard import simulation
from myocard.benchmark.materials import shape_of
from myocard.benchmark.trials import Benchmark
from myocard.data.preparation import Wanted, prepare
from myocard.data.sources import entries
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder
from myocard.evaluation.baselines import train_baseline
from myocard.evaluation.features import extract
from myocard.evaluation.layers import measure_layers
from myocard.evaluation.probing import Stream, probe
from myocard.pretraining.pretrain import pretrain
from myocard.recipe import (
    BaselineRecipe,
    CorpusPart,
    Evaluation,
    NetworkRecipe,
    Optimisation,
    PretrainRecipe,
    ProbeRecipe,
    Settings,
    Split,
)
from myocard.report import write_report
from myocard.tasks.registry import task

SAMPLE = 100
"""Simulated records."""
_STEPS = 4
_MANY = 20

Evaluated = TypeVar("Evaluated", bound=Evaluation)


@dataclass
class Timed:
    """The time of one program, and of the steps of training in it.

    Attributes:
        began: When it began.
        seconds: In all.
        ends: When each step ended.
    """

    began: float = 0.0
    seconds: float = 0.0
    ends: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """Count from now on: what was done before is no part of the piece."""
        self.began = time.perf_counter()

    def note(self, what: str, done: int, total: int) -> None:
        if total == _STEPS:
            self.ends.append(time.perf_counter())

    @property
    def step(self) -> float:
        """Seconds of a step; the first one, which also sets things up, is not counted."""
        return float(np.median(np.diff(self.ends))) if len(self.ends) > 1 else 0.0

    @property
    def rest(self) -> float:
        """Seconds of all but the steps."""
        return max(self.seconds - self.step * max(len(self.ends) - 1, 0), 0.0)


class Sample:
    """Simulated records on which each kind of piece is tried once.

    Args:
        benchmark: Its input is the records'.
        folder: The folder that they go to.
        jobs: Trials at a time: probes are timed on their share of the threads.
    """

    def __init__(self, benchmark: Benchmark, folder: Path, jobs: int) -> None:
        self.benchmark, self.folder, self.jobs = benchmark, folder, jobs
        self.known: dict[str, Timed] = {}
        self.streams: dict[str, Stream] = {}

    def timed(self, kind: str, *of: Any) -> Timed:
        """Try one kind of piece, unless it was tried before."""
        tries: dict[str, Callable[..., object]] = {
            "simulate": lambda timed, out: simulation.write(out, "ptbxl", count=SAMPLE),
            "prepare": lambda timed, out: self._prepare(out),
            "pretrain": self._pretrain,
            "extract": lambda timed, out, encoder: extract(encoder, self.store, out),
            "probe": self._probe,
            "layers": self._layers,
            "baseline": self._baseline,
            "report": self._report,
        }
        key = f"{kind} {[_kind(each) for each in of]}"
        if key not in self.known:
            out, timed = self.folder / f"{kind}-{len(self.known)}", Timed()
            _ = self.store
            with _threads(self.jobs if kind == "probe" else 1):
                timed.begin()
                tries[kind](timed, out, *of)
                timed.seconds = time.perf_counter() - timed.began
            self.known[key] = timed
        return self.known[key]

    @cached_property
    def records(self) -> Path:
        return simulation.write(self.folder / "records", "ptbxl", count=SAMPLE)

    @cached_property
    def store(self) -> Store:
        return self._prepare(self.folder / "store")

    def _prepare(self, out: Path) -> Store:
        expected = self.benchmark.input.preprocessing()
        longest = max(settings.seconds for settings in self.benchmark.stores.values())
        wanted = Wanted(expected.rate, min(longest, 10.0), expected.leads, expected.band)
        return prepare(entries("ptbxl-500", self.records), out, wanted, source="sample")

    def _pretrain(self, timed: Timed, out: Path, recipe: PretrainRecipe) -> None:
        short = _short(recipe.optimisation, SAMPLE, accumulate=1)
        small = {"corpus": (CorpusPart(),), "watch": None, "optimisation": short}
        pretrain(recipe.model_copy(update=small), {"sample": self.store}, out, progress=timed.note)

    def _probe(self, timed: Timed, out: Path, encoder: ECGEncoder, recipe: ProbeRecipe) -> None:
        source = self.streams.setdefault(_kind(encoder), Stream(encoder, self.store))
        source.pooled()
        timed.begin()
        probe(source, _on_sample(recipe), out, test=True, progress=timed.note)

    def _layers(self, timed: Timed, out: Path, encoder: ECGEncoder) -> None:
        every = ProbeRecipe(task="ptbxl-superdiagnostic", readouts=("layers",), heads=("linear",))
        few = every.model_copy(update={"seeds": (0,), "penalties": (1e-2,), "resamples": 10})
        runs = probe(Stream(encoder, self.store), few, out / "runs")
        timed.begin()
        measure_layers(encoder, self.store, runs, out / "layers", records=SAMPLE)

    def _baseline(self, timed: Timed, out: Path, recipe: BaselineRecipe) -> None:
        chosen = _on_sample(recipe, seeds=(0,))
        train_baseline(self.store, chosen, out, test=True, progress=timed.note)

    def _report(self, timed: Timed, out: Path) -> None:
        found = [path for path in self.folder.glob("probe-*") if path.is_dir()]
        if found:
            write_report(found[:1], out)


def _on_sample(recipe: Evaluated, **changes: object) -> Evaluated:
    """Return a recipe for labels that simulated records have, in about as many classes."""
    many = len(task(recipe.task).classes) > _MANY
    changes |= {"task": "ptbxl-all" if many else "ptbxl-superdiagnostic", "min_positives": 1}
    changes |= {"split": Split(), "fraction": 1.0}
    if isinstance(recipe, ProbeRecipe | NetworkRecipe):
        changes["optimisation"] = _short(recipe.optimisation, SAMPLE * 8 // 10)
    return recipe.model_copy(update=changes)


def _short(settings: Optimisation, records: int, **changes: object) -> Optimisation:
    """Return an optimisation of ``_STEPS`` steps on ``records``."""
    epochs = _STEPS / max(1, records // min(settings.batch, records))
    return settings.model_copy(update={"epochs": epochs, "warmup_epochs": 0.0, **changes})


def _kind(of: Any) -> str:
    """All that the time of a piece depends on."""
    if not isinstance(of, Settings):
        return f"{shape_of(of)} {of.input}"
    without_effect = {
        "name", "corpus", "watch", "split", "task", "fraction", "min_positives", "copies",
    }  # fmt: skip
    kept = of.model_dump(exclude=without_effect)
    classes = len(task(of.task).classes) > _MANY if hasattr(of, "task") else None
    return f"{kept} {classes}"


@contextmanager
def _threads(jobs: int) -> Iterator[None]:
    """The threads of one of ``jobs`` processes."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, before // jobs))
    try:
        yield
    finally:
        torch.set_num_threads(before)
