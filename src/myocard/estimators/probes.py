"""Probes of layers as scikit-learn's classifiers and regressors."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import Tags, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from myocard.errors import InputError
from myocard.estimators.arrays import Target, require_told
from myocard.estimators.reader import LayerReader
from myocard.nn.outcomes import LIKELIHOODS
from myocard.outcomes import Outcome

_LARGEST = 1e100
"""Size of targets whose squares neither overflow nor vanish; the least is its inverse."""


class LayerProbe(ClassifierMixin, LayerReader):
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
        if y.ndim == 1:
            require_told(y, "y")
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        self._binarizer = LabelBinarizer().fit(y)
        self.classes_ = self._binarizer.classes_
        if len(self.classes_) < 2 and y.ndim == 1:
            raise InputError(f"y has one class, {self.classes_[0]}; a classifier needs two")
        values = self._binarizer.transform(y).astype(np.float64)
        strata = np.searchsorted(self.classes_, y) if y.ndim == 1 else np.zeros(len(values))
        self._outcome: Outcome = "one" if self._binarizer.y_type_ == "multiclass" else "any"
        self._learn(flat, Target(values, self._outcome, strata), groups)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits, ``(records, outputs)``; ``(records,)`` of the second class for two classes."""
        logits = self._logits(X).numpy()
        return logits[:, 0] if self._binarizer.y_type_ == "binary" else logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities, ``(records, classes)``, or of each label."""
        logits = self._logits(X)
        found = LIKELIHOODS[self._outcome].scores(logits).numpy()
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


class LayerProbeRegressor(RegressorMixin, LayerReader):
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
        sizes = np.abs(values).max(axis=0)
        if (sizes > _LARGEST).any() or ((sizes > 0) & (sizes < 1 / _LARGEST)).any():
            raise InputError(f"y has values up to {sizes.max():.1g}; give it in a common unit")
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
