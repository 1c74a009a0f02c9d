"""Common ground of the probes as scikit-learn takes them."""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from myocard.errors import InputError
from myocard.estimators.arrays import (
    Target,
    flattened,
    in_layers,
    job_of,
    require_spread,
    require_told,
    widths_of,
)
from myocard.estimators.fitting import curve_of, fit_probe, split
from myocard.evaluation.probing.job import Probe
from myocard.evaluation.probing.solving import EPSILON
from myocard.nn.readouts.registry import POOLED, require_widths
from myocard.recipe import ProbeRecipe, check, choose

NORMS = ("identity", "layer", "rms")


class LayerReader(BaseEstimator):
    """An estimator that fits a readout of layers and a head; its kinds bring the targets."""

    # Any: by scikit-learn's conventions, wrong values are refused by fit alone.
    def __init__(
        self,
        readout: Any = "last",
        *,
        penalty: Any = (1e-3, 1e-2, 1e-1, 1.0),
        norm: Any = "identity",
        n_layers: Any = None,
        validation: Any = 5,
        refit: Any = True,
        layer_curve: Any = True,
        random_state: Any = 0,
    ) -> None:
        self.readout = readout
        self.penalty = penalty
        self.norm = norm
        self.n_layers = n_layers
        self.validation = validation
        self.refit = refit
        self.layer_curve = layer_curve
        self.random_state = random_state

    @torch.no_grad()
    def layer_weights(self, X: Any) -> NDArray[np.float64]:
        """The share of each layer in what the head reads of each record, ``(records, layers)``."""
        states = self._states(X)
        shares: Tensor = self.classifier_.readout.layer_weights(states)
        return shares.numpy()

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _validated(self, X: Any, y: Any, **how: Any) -> tuple[NDArray[Any], Any]:
        flat, shown = flattened(X)
        flat, y = validate_data(
            self, flat, y, dtype=[np.float64, np.float32], ensure_min_samples=2,
            multi_output=True, **how,
        )  # fmt: skip
        names = list(getattr(self, "feature_names_in_", []))
        self._widths = widths_of(flat.shape[1], shown, self.n_layers, names)
        self.n_layers_ = len(self._widths)
        require_spread(flat, self._widths)
        return flat, y

    def _learn(self, flat: NDArray[Any], target: Target, groups: Any) -> None:
        """Fit on validated states, and keep what came of it; ``coef_`` is of logits."""
        probe, recipe = self._probe(), self._recipe()
        choose(NORMS, self.norm, "norm")
        if groups is not None:
            groups = column_or_1d(groups)
            require_told(groups, "groups")
            check_consistent_length(flat, groups)
        parts = split(target.strata, groups, self.validation, recipe.seeds[0])
        states = in_layers(flat, self._widths, torch.float32)
        job = job_of(states, self._widths, self.norm, target, parts, groups, recipe)
        fitted = fit_probe(job, probe, refit=self.refit)
        if self.layer_curve:
            # Before double(): readouts share the norm.
            self.layer_curve_ = curve_of(job)
        self.classifier_ = fitted.classifier.double().eval()
        self.penalty_ = fitted.penalty
        self.layer_weights_ = fitted.layer_weights
        self.certificate_ = fitted.certificate
        head = self.classifier_.head.state_dict()
        weights = head["1.weight"] * (head["0.running_var"] + EPSILON).rsqrt()
        self.coef_ = weights.numpy()
        self.intercept_ = (head["1.bias"] - weights @ head["0.running_mean"]).numpy()
        fault = fitted.certificate.fault
        if fault:
            warnings.warn(f"{type(self).__name__}: {fault}", ConvergenceWarning, stacklevel=3)

    def _probe(self) -> Probe:
        """The layer or readout that is read; in a single layer there is nothing to mix."""
        readout = self.readout
        if isinstance(readout, Integral):
            choose([*map(str, range(self.n_layers_))], str(readout), "layer")
            return Probe("layer", "linear", int(readout))
        choose(POOLED, readout, "readout")
        if self.n_layers_ == 1:
            return Probe("last", "linear")
        require_widths(readout, self._widths)
        return Probe(readout, "linear")

    def _recipe(self) -> ProbeRecipe:
        seed = self.random_state
        if not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(2**31 - 1)
        given = {"task": "y", "seeds": [int(seed)], "penalties": np.ravel(self.penalty).tolist()}
        return check(ProbeRecipe, given, type(self).__name__)

    def _states(self, X: Any) -> Tensor:
        check_is_fitted(self)
        flat, shown = flattened(X)
        if shown not in (None, self.n_layers_):
            raise InputError(f"X has {shown} layers, and {self.n_layers_} were fitted")
        flat = validate_data(self, flat, reset=False, dtype=np.float64)
        return in_layers(flat, self._widths, torch.float64)

    @torch.no_grad()
    def _logits(self, X: Any) -> Tensor:
        states = self._states(X)
        logits: Tensor = self.classifier_(states)
        return logits
