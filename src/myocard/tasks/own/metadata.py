"""Scores of labels from what is known of a record besides its signal.

A label that a device, a site, a date or the name of a file predicts may be learned as such.
"""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import OneHotEncoder

from myocard.metrics.outcomes import NAMES, headline, headline_metric
from myocard.outcomes import Outcome
from myocard.tasks.own.settings import OwnTaskSettings
from myocard.tasks.own.task import Follows

Floats = NDArray[np.float64]
_FOLDS = 5
_FEWEST = 5
"""Positives and negatives, or events, without which there is no score."""
_MOST = 5_000
"""Records that are looked at, drawn at random."""
_TAIL = 0.05
"""Share of a label's numbers that is clipped at either end."""
_PARTS = 10
"""Quantiles that a number is cut into."""
_WORDS = 50
"""Words of one thing that are told apart, the most frequent ones."""
_UNKNOWN = "unknown"
TOGETHER = "all of these together"


class _Trait(NamedTuple):
    """A thing that is known of records.

    Attributes:
        name: Its name.
        indicators: ``(records, words)``: 1 for the word of a record, 0 for others.
        known: ``(records,)``.
    """

    name: str
    indicators: Floats
    known: NDArray[np.bool_]


def followed(
    rows: pd.DataFrame,
    records: pd.DataFrame,
    targets: Floats,
    classes: tuple[str, ...],
    settings: OwnTaskSettings,
) -> list[Follows]:
    """Score each class from each thing alone that is known of its records, and from all together.

    Numbers are cut into tenths; each value has one weight, fitted by ridge regression on four
    fifths of the patients and scored on the fifth that is left out. Labels that are numbers are
    clipped to their 5 % and 95 % quantiles, so that a few far ones hide nothing.

    Args:
        rows: A row for each labelled record, with patient and where known date and site; the index
            is the line.
        records: The same records, as the store's table has them.
        targets: ``(records, outputs)``.
        classes: Names of the outputs.
        settings: Their kind, and the column of the labels: a thing of that name is the label.

    Returns:
        The scores that are defined, best first.
    """
    outcome = settings.outcome
    drawn = np.sort(np.random.default_rng(0).permutation(len(rows))[:_MOST])
    folds = _folds(rows["patient"].iloc[drawn])
    found = []
    for trait in _traits(rows.iloc[drawn], records.iloc[drawn], settings.target):
        for name, target in zip(classes, targets[drawn].T, strict=True):
            told = ~np.isnan(target)
            value = _score(trait.indicators[told], target[told], folds[told], outcome)
            if value is not None:
                numbers = {"value": value, "share": float((trait.known & told).mean())}
                measure = NAMES[headline(outcome)]
                found.append(Follows(trait=trait.name, target=name, measure=measure, **numbers))
    return sorted(found, key=lambda each: -each.value)


def _traits(rows: pd.DataFrame, records: pd.DataFrame, labels: tuple[str, ...]) -> list[_Trait]:
    """Describe each record by each thing that differs between records, and by all together."""
    words = {
        "device": records.get("device"),
        "site": rows.get("site"),
        "sex": records.get("sex"),
        "form of the id": records["id"].map(_form_of_id),
    }
    numbers = {
        "age": records.get("age"),
        "date": rows.get("date"),
        "order in the table": rows.index.to_series(),
    }
    columns = {name: _in_words(each) for name, each in words.items() if each is not None}
    columns |= {name: _in_parts(each) for name, each in numbers.items() if each is not None}
    traits = [
        _Trait(name, _indicators(column), column != _UNKNOWN)
        for name, column in columns.items()
        if len(set(column)) > 1 and name not in {label.casefold() for label in labels}
    ]
    if len(traits) < 2:
        return traits
    both = np.hstack([trait.indicators for trait in traits])
    known = np.any([trait.known for trait in traits], axis=0)
    return [*traits, _Trait(TOGETHER, both, known)]


def _form_of_id(name: str) -> str:
    """Return what stands before the first digit, and the length."""
    return f"{re.split(r'[0-9]', name, maxsplit=1)[0]}, {len(name)} characters"


def _in_words(values: pd.Series) -> NDArray[np.object_]:
    told = values.notna() & (values != "")
    return values.astype(object).where(told, _UNKNOWN).astype(str).to_numpy(object)


def _in_parts(values: pd.Series) -> NDArray[np.object_]:
    parts = np.ceil(values.rank(pct=True).to_numpy(float) * _PARTS)
    return np.where(np.isnan(parts), _UNKNOWN, parts.astype(str)).astype(object)


def _indicators(words: NDArray[np.object_]) -> Floats:
    """Return a column of 0 and 1 for each word, rare ones together."""
    encoder = OneHotEncoder(min_frequency=_FEWEST, max_categories=_WORDS, sparse_output=False)
    return encoder.fit_transform(words[:, None])


def _folds(patients: pd.Series) -> NDArray[np.int64]:
    """Return a fold for each record, one for all of a patient; fewer where patients are few."""
    count = min(_FOLDS, patients.nunique())
    folds = np.zeros(len(patients), dtype=np.int64)
    if count > 1:
        for fold, (_, held_out) in enumerate(GroupKFold(count).split(folds, groups=patients)):
            folds[held_out] = fold
    return folds


def _score(
    indicators: Floats, target: Floats, folds: NDArray[np.int64], outcome: Outcome
) -> float | None:
    """Score one class by cross-validation; None where there is too little of it."""
    seen, others = int((target > 0).sum()), int((target <= 0).sum())
    fewest = {"number": seen + others, "time": seen}.get(outcome, min(seen, others))
    if fewest < _FEWEST or len(set(folds)) < 2:
        return None
    low, high = np.quantile(target, [_TAIL, 1 - _TAIL])
    if outcome == "number" and low < high:
        target = np.clip(target, low, high)
    fitted = _residuals(target) if outcome == "time" else target
    predicted = np.zeros(len(target))
    for fold in set(folds):
        out = folds == fold
        predicted[out] = Ridge().fit(indicators[~out], fitted[~out]).predict(indicators[out])
    once = np.ones((1, len(target)), dtype=np.int64)
    found = headline_metric(outcome)(target[:, None], predicted[:, None], once).item()
    return None if np.isnan(found) else round(found, 4)


def _residuals(times: Floats) -> Floats:
    """Return events less those that the Nelson–Aalen hazard expects (martingale residuals)."""
    distinct, place = np.unique(np.abs(times), return_inverse=True)
    events = np.bincount(place, weights=times > 0, minlength=len(distinct))
    leaving = np.bincount(place, minlength=len(distinct))
    at_risk = leaving[::-1].cumsum()[::-1]
    return (times > 0) - np.cumsum(events / at_risk)[place]
