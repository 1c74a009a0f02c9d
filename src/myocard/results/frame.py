"""Runs as a table: a row each."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from myocard.results.run import Run, SplitName
from myocard.results.saved import SavedRun

_WHOLE = ("layer", "n", "patients")


def frame(runs: Iterable[SavedRun], split: SplitName = "validation") -> pd.DataFrame:
    """A row for each run, with its leading metric on a split and what its numbers rest on.

    Args:
        runs: The runs.
        split: The split; numbers are blank for runs that have not scored it.

    Returns:
        Columns of ``identity``; ``split``, ``folds``, ``n`` (records), ``patients``, ``metric``,
        ``value``, ``low``, ``high``, ``seed_sd``; ``seeds``, ``penalty`` (each seed's),
        ``certificate`` (nats by which the objective of a solved mixture could at most be lower, or
        a gate's largest slope), ``settled`` (share of trained seeds that twice the steps would not
        have changed); hashes of encoder and store, ``seconds``, ``run``.
    """
    return tabled([_line(run, split) for run in runs])


def tabled(lines: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A table of lines that begin with ``identity``; whole numbers stay whole where some lack."""
    table = pd.DataFrame(lines)
    return table.astype({name: "Int64" for name in _WHOLE if name in table})


def identity(run: SavedRun) -> dict[str, Any]:
    """The identity of a run: task, data sets, encoder, readout, head, layer."""
    info = run.info
    return {
        "task": info.task,
        "source": info.source,
        "trained_on": info.trained_on or info.source,
        "kind": info.kind,
        "encoder": info.encoder.name,
        "random": info.encoder.random,
        "readout": info.readout,
        "head": info.head,
        "layer": info.layer,
        "leads": len(info.leads),
        "fraction": info.fraction,
    }


def _line(run: SavedRun, split: SplitName) -> dict[str, Any]:
    info = run.info
    size, metrics = info.splits.get(split), info.metrics(split)
    found = metrics.main.macro if metrics else None
    return {
        **identity(run),
        "split": split,
        "folds": ",".join(map(str, size.folds)) if size else "",
        "n": size.records if size else None,
        "patients": size.patients if size else None,
        "metric": info.validation.headline,
        "value": found.value if found else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "seed_sd": found.seed_sd if found else None,
        "seeds": len(info.seeds),
        "penalty": ",".join(f"{choice.penalty:g}" for choice in info.chosen),
        "certificate": _certificate(info),
        "settled": _settled(info),
        "encoder_hash": info.encoder.hash or "",
        "store_hash": info.hashes.store,
        "seconds": info.seconds,
        "run": run.place,
    }


def _certificate(info: Run) -> float | None:
    found = [optimum.gap for mixture in info.mixtures for optimum in mixture.optima]
    found += [mixture.slope for mixture in info.mixtures if mixture.slope is not None]
    return max(found, default=None)


def _settled(info: Run) -> float | None:
    return sum(stop.settled for stop in info.stops) / len(info.stops) if info.stops else None
