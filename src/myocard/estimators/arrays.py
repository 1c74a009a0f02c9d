"""Arrays of states: how many layers they hold, and the common ground of probes on them."""

import re
from collections.abc import Sequence
from itertools import groupby
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from myocard.encoders.protocol import Layer
from myocard.errors import InputError
from myocard.evaluation.probing.job import Job
from myocard.evaluation.probing.memory import InMemory
from myocard.nn.readouts.heads import LARGEST, LEAST_SPREAD
from myocard.nn.readouts.norms import NormShape
from myocard.outcomes import Outcome
from myocard.recipe import ProbeRecipe
from myocard.tasks.cohort import Cohort

_NEAREST = 1e-6
"""Deviation beside the mean from which on single precision tells numbers apart."""
_COLUMN = re.compile(r"layer(\d+)_\d+")


class Target(NamedTuple):
    """Targets of all records.

    Attributes:
        values: ``(records, outputs)``, as ``myocard.outcomes`` has them.
        outcome: Kind of the outputs.
        strata: A value for each record, to be alike in the training and the validation part.
    """

    values: NDArray[np.float64]
    outcome: Outcome
    strata: NDArray[Any]


def flattened(X: Any) -> tuple[Any, int | None]:
    """X with layers side by side, and how many there are if X has three dimensions."""
    whole = np.asarray(X) if isinstance(X, list | tuple) else X
    if getattr(whole, "ndim", 2) != 3:
        return X, None
    whole = np.asarray(whole)
    records, layers, width = whole.shape
    return whole.reshape(records, layers * width), layers


def widths_of(
    features: int, shown: int | None, said: int | None, names: Sequence[str]
) -> list[int]:
    """Width of each layer.

    Args:
        features: Width of all layers together.
        shown: Number of layers that a third dimension of X shows.
        said: Number of layers that a user says.
        names: Names of columns, which tell if they are such as ``layer03_017``.

    Raises:
        InputError: When nothing tells, or what tells does not fit.
    """
    if said is not None and shown not in (None, said):
        raise InputError(f"X has {shown} layers, and n_layers is {said}; leave n_layers out")
    count = shown if said is None else said
    if count is not None:
        if not isinstance(count, Integral) or count < 1 or features % count:
            raise InputError(f"{features} features are not of {count!r} layers; correct n_layers")
        return [features // int(count)] * int(count)
    found = [_COLUMN.fullmatch(name) for name in names]
    numbers = [int(each[1]) for each in found if each is not None]
    if not numbers or len(numbers) < len(found) or numbers != sorted(numbers):
        raise InputError(
            "X has two dimensions: say how many layers lie side by side (n_layers=…; 1 for a "
            "single one), or give (records, layers, width) or columns that are named layer00_000, …"
        )
    return [len(list(own)) for _, own in groupby(numbers)]


def in_layers(flat: NDArray[np.floating], widths: Sequence[int], kind: torch.dtype) -> Tensor:
    """States ``(records, layers, width)``; side by side as they are where widths differ."""
    states = torch.tensor(flat, dtype=kind)
    return states.unflatten(1, (len(widths), -1)) if len(set(widths)) == 1 else states


def require_told(told: NDArray[Any], name: str) -> None:
    """Refuse what lacks the value of a record.

    Raises:
        InputError: Counting the records.
    """
    missing = int(pd.isna(told).sum())
    if missing:
        raise InputError(f"{name} lacks a value for {missing} of {len(told)} records; give all")


def require_spread(flat: NDArray[np.floating], widths: Sequence[int]) -> None:
    """Refuse numbers that single precision does not tell apart, or whose scale changes scores.

    Raises:
        InputError: Naming the layer.
    """
    most = np.abs(flat).max()
    if most > LARGEST:
        raise InputError(f"X has values of {most:.1g}, and the most is {LARGEST:.0e}; scale X down")
    ends = np.cumsum(widths)[:-1]
    spreads = map(np.median, np.split(flat.std(axis=0), ends))
    offsets = map(np.median, np.split(np.abs(flat.mean(axis=0)), ends))
    for layer, (spread, offset) in enumerate(zip(spreads, offsets, strict=True)):
        if 0 < spread < LEAST_SPREAD:
            raise InputError(
                f"layer {layer} of X has a deviation of {spread:.1g}, and heads need "
                f"{LEAST_SPREAD} or more to tell numbers apart; multiply X, such as by "
                f"{1 / spread:.0e}"
            )
        if 0 < spread < _NEAREST * offset:
            raise InputError(
                f"layer {layer} of X has a deviation of {spread:.1g} about {offset:.1g}, which "
                "single precision does not tell apart; subtract the mean of each column"
            )


def job_of(
    states: Tensor,
    widths: Sequence[int],
    norm: str,
    target: Target,
    parts: tuple[NDArray[np.int64], NDArray[np.int64]],
    groups: NDArray[Any] | None,
    recipe: ProbeRecipe,
) -> Job:
    """The common ground of probes of these states."""
    ids = np.arange(len(states)).astype(object)
    cohort = Cohort(
        task="y",
        source="X",
        classes=tuple(map(str, range(target.values.shape[1]))),
        left_out={},
        outcome=target.outcome,
        targets=target.values,
        rows=dict(zip(("train", "validation"), parts, strict=True)),
        ids=ids,
        patients=ids if groups is None else groups.astype(object),
        folds={},
    )
    layers = tuple(Layer(f"layer {layer}", width) for layer, width in enumerate(widths))
    source = InMemory(states, layers, NormShape(norm, widths[-1]).build())
    return Job(source, cohort, recipe)
