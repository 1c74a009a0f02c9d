"""Delineation as a task of tokens: from which layer can P, QRS and T be read, sample by sample?

A probe reads one token at a time: linear discriminants of the labels (none, P, QRS, T) of all
samples that the token stands for. The boundaries of the labels that it finds are compared with
those that are known.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from myocard.data.leaks import refuse
from myocard.data.store import Store
from myocard.encoders.protocol import ECGEncoder, LeadwiseEncoder
from myocard.errors import InputError
from myocard.evaluation.delineation import discriminants, truth
from myocard.evaluation.delineation.probes import Reader
from myocard.evaluation.delineation.scoring import CHOICE, accuracy, gains, overall
from myocard.evaluation.layers.estimates import resampled
from myocard.files.progress import Progress, silent
from myocard.files.step import step
from myocard.metrics.boundaries import SHORTEST, Tallies
from myocard.recipe import Split
from myocard.results.delineation import DelineationMeasures
from myocard.results.run import Hashes, SplitName
from myocard.waves import OfLeads

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)

Rows = dict[str, NDArray[np.int64]]


def delineate(
    encoder: ECGEncoder,
    store: Store,
    waves: Sequence[OfLeads],
    out: Path,
    *,
    test: bool = False,
    resamples: int = 1000,
    progress: Progress = silent,
) -> Path:
    """Delineate from every layer, and write ``delineation.json`` and ``.csv`` into ``out``.

    Folds 1 to 8 train, 9 chooses penalties and the best layer, 10 tests.

    Args:
        encoder: One whose tokens are of single leads, or of all leads in the order of time.
        store: The records.
        waves: Of each record, in seconds from its start in the store; empty where none are known.
        out: The folder to make, by the rule of ``files/step.py``.
        test: Score the test fold, not the validation fold.
        resamples: Of the bootstrap, which draws patients.
        progress: Called after every batch.

    Raises:
        InputError: For a leak, a store that does not meet the encoder's input, a fold without
            waves, tokens that stand nowhere in time, or an ``out`` that was made from others.
    """
    rows, truth_hash = _rows(encoder, store, waves), truth.digest(waves)
    split: SplitName = "test" if test else "validation"

    def make(folder: Path, work: Path) -> None:
        began = time.perf_counter()
        total = sum(len(rows[name]) for name in {"train", "validation", split})
        reader = _reader(encoder, store, waves, total, progress)
        tallies, penalties, best = _probe(reader, rows, split)
        patients = {name: _patients(store, which) for name, which in rows.items()}
        counts = resampled(patients[split], resamples)
        DelineationMeasures(
            encoder=encoder.info,
            source=" and ".join(sorted(set(store.records["source"].iloc[rows[split]]))),
            leads=encoder.input.leads,
            rows="leads" if isinstance(encoder, LeadwiseEncoder) else "record",
            split=split,
            records={name: len(which) for name, which in rows.items()},
            patients={name: len(set(which)) for name, which in patients.items()},
            best_layer=best,
            choice=CHOICE,
            penalties=penalties,
            shortest=SHORTEST,
            accuracy=accuracy(tallies, counts),
            gains=gains(tallies, counts, best),
            resamples=resamples,
            hashes=Hashes(store=store.key, encoder=encoder.info.hash),
            waves=truth_hash,
            seconds=round(time.perf_counter() - began, 1),
        ).write(folder)

    inputs = {"encoder": encoder.info.hash, "store": store.key, "waves": truth_hash}
    step(out, inputs | {"resamples": resamples}, make, is_enough=lambda x: not test or has_test(x))
    return out


def has_test(folder: Path) -> bool:
    """Tell whether the measures in ``folder`` are of the test fold."""
    return DelineationMeasures.read(folder).split == "test"


def _rows(encoder: ECGEncoder, store: Store, waves: Sequence[OfLeads]) -> Rows:
    """Return the records of each split whose waves are known, and refuse leaks."""
    store.require(encoder.input)
    known = np.array([bool(each) for each in waves])
    fold = store.records["fold"].to_numpy()
    split = Split().model_dump()
    rows = {name: np.flatnonzero(known & np.isin(fold, folds)) for name, folds in split.items()}
    for name, which in rows.items():
        if not len(which):
            raise InputError(
                f"{store.folder}: no record of fold {', '.join(map(str, split[name]))} ({name}) "
                f"has waves, and {known.sum()} of {len(known)} records have; give more records"
            )
    words, ids = encoder.pretrained_on.known(store.records), store.records["id"]
    for name in ("validation", "test"):
        refuse(
            ids.iloc[rows[name]], words.iloc[rows[name]], model="encoder", split=name,
            fix="pretrain without them; `myocard audit leak` lists them all",
        )  # fmt: skip
    return rows


def _patients(store: Store, rows: NDArray[np.int64]) -> NDArray[np.object_]:
    records = store.records.iloc[rows]
    return (records["source"] + " " + records["patient"]).to_numpy(object)


def _reader(
    encoder: ECGEncoder, store: Store, waves: Sequence[OfLeads], total: int, progress: Progress
) -> Reader:
    """Return what reads the records, and tells how many of ``total`` were read."""
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        progress(f"delineate from {encoder.info.name}", done, total)

    encoder.network.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    return Reader(encoder, store, truth.in_window(encoder, store, waves), told)


def _probe(reader: Reader, rows: Rows, split: SplitName) -> tuple[Tallies, tuple[float, ...], int]:
    """Fit, choose and score: tallies ``(records, layers, …)``, penalties, and the best layer."""
    heads = [discriminants.solve(each, PENALTIES) for each in reader.gather(rows["train"])]
    tallies = reader.score(rows["validation"], heads)
    values = overall(tallies.sum(axis=0))
    layers, chosen = np.arange(len(heads)), values.argmax(axis=1)
    if split == "test":
        best = [[own[k]] for own, k in zip(heads, chosen, strict=True)]
        tallies = reader.score(rows["test"], best)[:, :, 0]
    else:
        tallies = tallies[:, layers, chosen]
    penalties = tuple(PENALTIES[k] for k in chosen)
    return tallies, penalties, int(values[layers, chosen].argmax())
