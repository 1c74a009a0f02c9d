"""Probes of layers as scikit-learn's classifiers and regressors."""

import warnings
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import Tags, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from myocard.errors import InputError
from myocard.estimators.arrays import (
    Target,
    flattened,
    in_layers,
    job_of,
    require_spread,
    widths_of,
)
from myocard.estimators.fitting import curve_of, fit_probe, split
from myocard.evaluation.probing.job import Probe
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.registry import POOLED, require_widths
from myocard.recipe import ProbeRecipe, check, choose

NORMS = ("identity", "layer", "rms")


class _Probe(BaseEstimator):
    """Common ground of the probes."""

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
        kinds, fewest = [np.float64, np.float32], 2
        flat, y = validate_data(
            self, flat, y, dtype=kinds, ensure_min_samples=fewest, multi_output=True, **how
        )
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
            check_consistent_length(flat, groups)
        parts = split(target.strata, groups, self.validation, recipe.seeds[0])
        states = in_layers(flat, self._widths, torch.float32)
        job = job_of(states, self._widths, self.norm, target, parts, groups, recipe)
        fitted = fit_probe(job, probe, refit=self.refit)
        self.classifier_ = fitted.classifier.double().eval()
        self.penalty_ = fitted.penalty
        self.layer_weights_ = fitted.layer_weights
        self.certificate_ = fitted.certificate
        if self.layer_curve:
            self.layer_curve_ = curve_of(job)
        norm, linear = self.classifier_.head[0], self.classifier_.head[1]
        scaled = (linear.weight * (norm.running_var + norm.eps).rsqrt()).detach()
        self.coef_ = scaled.numpy()
        self.intercept_ = (linear.bias - scaled @ norm.running_mean).detach().numpy()
        fault = fitted.certificate.fault
        if fault:
            warnings.warn(f"{type(self).__name__}: {fault}", ConvergenceWarning, stacklevel=3)

    def _probe(self) -> Probe:
        """What is read: a layer, or a readout; there is nothing to mix in a single layer."""
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


class LayerProbe(ClassifierMixin, _Probe):
    """A linear classifier on what a readout reads of an encoder's layers, solved.

    ``X`` is ``(records, layers, width)``, or two-dimensional with layers side by side, as
    ``ECGLayers`` gives it. The first layer stands for the embedding, which mixtures leave out. The
    head is ``myocard probe``'s: features are standardised, and the mean cross-entropy plus half of
    ``penalty`` times the squared weights is minimised. Targets are binary, multiclass or
    multilabel.

    Args:
        readout: A pooled readout by name (``last``, ``ppa``, ``scalar-mix``, ``pma`` …), or the
            number of a layer that is read alone.
        penalty: The penalty, or several, of which the best on the validation part is taken. It is
            1/(C · records) of scikit-learn's ``LogisticRegression``.
        norm: Norm that readouts apply, as an encoder ends in one: ``layer``, ``rms``, or
            ``identity`` for none.
        n_layers: Number of layers in a two-dimensional X. A third dimension tells it, and so do
            columns that are named as by ``ECGLayers``.
        validation: The part that chooses: one of so many folds, drawn by groups if ``fit`` is given
            some and stratified by class; or a splitter or iterable as scikit-learn's ``cv``, whose
            first split is taken.
        refit: Fit on all records in the end. A readout that is trained by gradient descent (``pma``
            and its variants, ``alf``) is stopped by the validation part and stays without it.
        layer_curve: Score each layer alone as well; leave it out where many probes are fitted.
        random_state: Seed of the folds and of what is drawn.

    Attributes:
        classes_: The classes; of multilabel targets, the numbers of the columns.
        n_layers_: Number of layers.
        layer_weights_: Share of each layer, averaged over the records, ``(layers,)``.
        layer_curve_: Macro AUROC on the validation part of each layer read alone, ``(layers,)``;
            R² for a regressor.
        penalty_: The penalty that was taken.
        coef_: Weights of the readout's features, ``(outputs, features)``.
        intercept_: ``(outputs,)``.
        certificate_: How far the solution is from the optimum.
        classifier_: Readout and head, a ``torch`` module of states.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> "LayerProbe":
        """Fit the probe.

        Args:
            X: States.
            y: A class for each record, or ``(records, labels)`` of 0 and 1.
            groups: Each record's patient, who is then in one part alone.

        Raises:
            InputError: For a readout, layer, norm or penalty that there is not, and for states or
                targets that do not fit.
        """
        flat, y = self._validated(X, y)
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._binarizer.classes_
        if len(self.classes_) < 2 and y.ndim == 1:
            raise InputError(f"y has one class, {self.classes_[0]}; a classifier needs two")
        values = self._binarizer.transform(y).astype(np.float64)
        strata = np.searchsorted(self.classes_, y) if y.ndim == 1 else np.zeros(len(values))
        several = self._binarizer.y_type_ == "multiclass"
        self._learn(flat, Target(values, "one" if several else "any", strata), groups)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits, ``(records, outputs)``; ``(records,)`` of the second class for two classes."""
        logits = self._logits(X).numpy()
        return logits[:, 0] if self._binarizer.y_type_ == "binary" else logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities, ``(records, classes)``, or of each label."""
        logits = self._logits(X)
        outcome = "one" if self._binarizer.y_type_ == "multiclass" else "any"
        found = LIKELIHOODS[outcome].scores(logits).numpy()
        return np.hstack([1 - found, found]) if self._binarizer.y_type_ == "binary" else found

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class, ``(records,)``, or the labels, ``(records, labels)``."""
        found = self.predict_proba(X)
        if self._binarizer.y_type_ == "multilabel-indicator":
            return (found > 0.5).astype(int)
        return self.classes_[found.argmax(axis=1)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class LayerMixture(LayerProbe):
    """``LayerProbe`` that reads a mixture: by default one share a layer, solved with the head."""

    def __init__(
        self,
        readout: Any = "scalar-mix",
        *,
        penalty: Any = (1e-3, 1e-2, 1e-1, 1.0),
        norm: Any = "identity",
        n_layers: Any = None,
        validation: Any = 5,
        refit: Any = True,
        layer_curve: Any = True,
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            readout,
            penalty=penalty,
            norm=norm,
            n_layers=n_layers,
            validation=validation,
            refit=refit,
            layer_curve=layer_curve,
            random_state=random_state,
        )


class LayerProbeRegressor(RegressorMixin, _Probe):
    """``LayerProbe`` for one number or several: least squares on standardised targets.

    Args and attributes are those of ``LayerProbe`` but for ``classes_``. ``penalty`` is
    alpha/records of scikit-learn's ``Ridge``.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> "LayerProbeRegressor":
        """Fit the probe.

        Args:
            X: States.
            y: ``(records,)`` or ``(records, outputs)``.
            groups: Each record's patient, who is then in one part alone.

        Raises:
            InputError: As ``LayerProbe.fit``.
        """
        flat, y = self._validated(X, y, y_numeric=True)
        values = np.asarray(y, dtype=np.float64).reshape(len(flat), -1)
        self._shape = y.shape[1:]
        mean, deviation = values.mean(axis=0), values.std(axis=0)
        self._scale = mean, np.where(deviation > 0, deviation, 1.0)
        values = (values - mean) / self._scale[1]
        self._learn(flat, Target(values, "number", np.zeros(len(flat))), groups)
        self.coef_ = self.coef_ * self._scale[1][:, None]
        self.intercept_ = self.intercept_ * self._scale[1] + mean
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Numbers in the unit of the targets, of the shape of ``y``."""
        found = self._logits(X).numpy() * self._scale[1] + self._scale[0]
        return found.reshape(len(found), *self._shape)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
