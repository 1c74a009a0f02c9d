"""Subgroups of records, and the outputs that can be scored in them."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from myocard.errors import InputError
from myocard.metrics.outcomes import are_positive
from myocard.metrics.scores import Flags, Targets
from myocard.outcomes import CLASSES, Outcome

MIN_POSITIVES = 10
"""A subgroup is scored on the classes with as many positives, and negatives, in it."""
UNKNOWN = "unknown"
"""The subgroup of records of which a trait is not known."""

_MOST = 30
"""Values of a column that is taken apart as a whole."""
_RANGE = re.compile(r"(-?[\d.]+)\.\.(-?[\d.]+)")
_AGES = {"< 40": 0.0, "40–59": 40.0, "60–79": 60.0, "≥ 80": 80.0}


def scorable(targets: Targets, outcome: Outcome) -> Flags:
    """Tell which outputs have enough positives, and of classes negatives, ``(outputs,)``."""
    kept = are_positive(targets, outcome).sum(axis=0) >= MIN_POSITIVES
    if outcome in CLASSES:
        kept &= (targets <= 0).sum(axis=0) >= MIN_POSITIVES
    return np.asarray(kept)


def strata(traits: pd.DataFrame) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Trait, subgroup and which records are in it, for every trait that tells records apart.

    Records of which it is not known are a subgroup of their own.
    """
    for trait in traits:
        named = _named(traits[trait])
        sizes = named.value_counts()
        order = [*_AGES, UNKNOWN] if trait == "age" else [*sizes.index]
        for name in order if len(sizes) > 1 else []:
            yield str(trait), name, (named == name).to_numpy()


def chosen(
    traits: pd.DataFrame, asked: Sequence[str], where: str
) -> Iterator[tuple[str, str, NDArray[np.bool_]]]:
    """Trait, subgroup and which records are in it, for every subgroup that is asked for.

    Args:
        traits: A column for each trait.
        asked: Each ``COLUMN=VALUE``, ``COLUMN=LOW..HIGH`` (LOW included, HIGH not), or ``COLUMN``
            for all of ``strata``.
        where: Place of the records, for messages.

    Raises:
        InputError: For a column that is not there or has many values, or a value of no record.
    """
    for each in asked:
        trait, equals, value = each.partition("=")
        if trait not in traits:
            known = ", ".join(map(str, traits)) or "none"
            raise InputError(f"{where}: no column {trait!r}, but {known}; give --records FILE")
        if equals:
            inside = _equal(traits[trait], value)
            if not inside.any():
                raise InputError(f"{where}: no record has {each}; see the values of {trait}")
            yield trait, value, inside
            continue
        values = traits[trait].nunique()
        if values > _MOST and trait != "age":
            raise InputError(f"{trait} has {values} values; give {trait}=VALUE or =LOW..HIGH")
        yield from (each for each in strata(traits[[trait]]) if each[2].any())


def _equal(column: pd.Series, value: str) -> NDArray[np.bool_]:
    span = _RANGE.fullmatch(value)
    if span:
        numbers = pd.to_numeric(column, errors="coerce")
        return ((numbers >= float(span[1])) & (numbers < float(span[2]))).to_numpy(bool)
    return (_named(column) == value).to_numpy(bool)


def _named(values: pd.Series) -> pd.Series:
    if values.name == "age":
        edges = [*_AGES.values(), np.inf]
        named = pd.cut(values.astype(float), edges, right=False, labels=[*_AGES]).astype(object)
    else:
        named = values.astype(object).where(values.notna(), UNKNOWN).astype(str)
    return named.where(named.notna(), UNKNOWN)
