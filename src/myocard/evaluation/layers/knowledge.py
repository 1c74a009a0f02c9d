"""Knowledge of a layer about quantities of the ECG, and about who it is from.

Pooled states are read by ridge regression, out of fold by patient, so that a number says what of a
quantity can be read linearly from a layer, not where it comes from.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from myocard.errors import InputError

Layer = Float[np.ndarray, "records width"]
Quantities = Float[np.ndarray, "records quantities"]
Groups = NDArray[np.object_]

PENALTIES = np.logspace(0, 5, 11)
FOLDS = 5


def fitted(states: Layer, targets: Quantities, patients: Groups) -> Quantities:
    """Predict ``targets`` from one layer, each record by a ridge that saw none of its patient.

    The penalty is chosen for each target on the training records by leaving one out.

    Raises:
        InputError: When there are fewer patients than folds.
    """
    if len(set(patients)) < FOLDS:
        raise InputError(f"{len(set(patients))} patients; {FOLDS} or more are needed")
    ridge = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True))
    folds = GroupKFold(FOLDS)
    found = cross_val_predict(ridge, states, targets, groups=patients, cv=folds)
    return found.reshape(targets.shape)


def explained(
    targets: Quantities, predictions: Quantities, counts: Float[np.ndarray, "resamples records"]
) -> Float[np.ndarray, "resamples quantities"]:
    """R² of every resample: the share of a target's variance that its prediction explains."""
    weights = counts / counts.sum(axis=1, keepdims=True)
    variance = weights @ np.square(targets) - np.square(weights @ targets)
    return 1 - weights @ np.square(targets - predictions) / variance


def eraser(states: Layer, quantities: Quantities) -> Callable[[Layer], Layer]:
    """Fit the smallest linear change of states after which no linear map finds ``quantities``.

    LEACE (Belrose et al. 2023, arXiv 2306.03819, Theorem 4.3): in whitened coordinates, the
    directions that covary with the quantities are projected out.
    """
    mean = states.mean(axis=0)
    centred, around = states - mean, quantities - quantities.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / len(states))
    kept = values > values[-1] * 1e-6
    roots, axes = np.sqrt(values[kept]), vectors[:, kept]
    whitened = (axes / roots).T @ (centred.T @ around / len(states))
    found, sizes, _ = np.linalg.svd(whitened, full_matrices=False)
    directions = found[:, sizes > sizes[0] * 1e-6]
    # To whitened coordinates, onto the directions, and back.
    removal = (axes / roots) @ directions @ (directions.T @ (axes * roots).T)

    def erase(others: Layer) -> Layer:
        return others - (others - mean) @ removal

    return erase


def identity(states: Layer, patients: Groups) -> Float[np.ndarray, " records"]:
    """Tell for each record of a repeated patient how often another of theirs is nearer than others.

    Records are compared by the cosine of their standardised states: the share of other patients'
    records that are less similar than the patient's own, the mean over their own; .5 is chance, 1
    always. NaN for a patient with one record.
    """
    centred = states - states.mean(axis=0)
    centred /= np.maximum(centred.std(axis=0), 1e-12)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    similar = centred @ centred.T
    found = np.full(len(states), np.nan)
    for row, patient in enumerate(patients):
        own = patients == patient
        theirs = np.sort(similar[row, ~own])
        own[row] = False
        if own.any():
            found[row] = np.searchsorted(theirs, similar[row, own]).mean() / len(theirs)
    return found
