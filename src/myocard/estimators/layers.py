"""A transformer from ECGs to the states of every layer of an encoder."""

from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from myocard.data.formats.reading import read
from myocard.encoders.protocol import ECGEncoder
from myocard.errors import InputError
from myocard.models.model import Model
from myocard.models.opening import NANO, from_pretrained
from myocard.models.records import RecordError
from myocard.nn.readouts.norms import NormShape


class ECGLayers(TransformerMixin, BaseEstimator):
    """The pooled states of every layer of an encoder, side by side.

    Nothing is learned: ``fit`` opens the encoder. Its final norm is not applied; probes apply one
    (``norm``).

    Args:
        encoder: What ``myocard.from_pretrained`` takes, a ``Model``, or an encoder, as
            ``myocard.wrap`` makes it. A name is opened again in each clone; a network is copied.
        rate: Samples per second of an array, or of files that do not say (Hz).
        leads: Names of their leads.
        unit: Their unit: mV, uV, V or NU.
        only: Some of the encoder's leads, for records that lack the others.
        batch_size: Records that are read and encoded at a time.

    Attributes:
        model_: The encoder, as a ``Model``.
        n_layers_: Number of layers; the first is the embedding.
        norm_: Kind of the encoder's final norm, as probes take it: ``layer``, ``rms`` or
            ``identity``.
    """

    # Any: by scikit-learn's conventions, wrong values are refused by fit and transform alone.
    def __init__(
        self,
        encoder: Any = NANO,
        *,
        rate: Any = None,
        leads: Any = None,
        unit: Any = None,
        only: Any = None,
        batch_size: Any = 64,
    ) -> None:
        self.encoder = encoder
        self.rate = rate
        self.leads = leads
        self.unit = unit
        self.only = only
        self.batch_size = batch_size

    def fit(self, X: Any, y: Any = None) -> "ECGLayers":
        """Open the encoder.

        Args:
            X: As ``transform`` takes it; not looked at.
            y: Not used.

        Raises:
            InputError: When there is no such encoder.
        """
        self.model_ = _model(self.encoder)
        encoder = self.model_.encoder
        self.n_layers_ = len(encoder.layers)
        self.norm_ = NormShape.of(encoder.norm, encoder.layers[-1].width).kind
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Encode records.

        Args:
            X: An array ``(records, leads, samples)``, or a sequence of ``myocard.Record`` or of
                paths of files.

        Returns:
            ``(records, layers · width)``, the embedding first; where layers differ in width,
            ``(records, sum of widths)``.

        Raises:
            InputError: For what is no such array or sequence, and for a record that the encoder
                cannot read; it names the record's index.
        """
        check_is_fitted(self)
        if np.ndim(X) not in (1, 3):
            raise InputError(
                f"X of {np.ndim(X)} dimensions; give (records, leads, samples), or a list of "
                "Records or paths"
            )
        size = self.batch_size
        if not isinstance(size, Integral) or size < 1:
            raise InputError(f"batch_size={size!r}: give a whole number of records")
        parts = [self._encoded(X[first : first + size], first) for first in range(0, len(X), size)]
        if not parts:
            raise InputError("X holds no record")
        return np.concatenate(parts)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return names such as ``layer03_017``: layer 3, dimension 17."""
        check_is_fitted(self)
        widths = [layer.width for layer in self.model_.encoder.layers]
        names = [f"layer{k:02d}_{d:03d}" for k, width in enumerate(widths) for d in range(width)]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags

    def _encoded(self, some: Any, first: int) -> NDArray[np.float32]:
        records, form = some, {"rate": self.rate, "leads": self.leads, "unit": self.unit}
        if np.ndim(some) == 1:
            records = [
                read(each, **form) if isinstance(each, str | Path) else each for each in some
            ]
            form = {}
        try:
            states = self.model_.hidden_states(records, only=self.only, **form)
        except RecordError as error:
            raise RecordError(first + error.number, error.reason) from error
        if isinstance(states, list):
            return np.concatenate(states, axis=1)
        return states.reshape(len(states), -1)


def _model(given: object) -> Model:
    if isinstance(given, str | Path):
        return from_pretrained(given)
    if not isinstance(given, Model | ECGEncoder):
        raise InputError(
            f"encoder={given!r}: give a name, a folder, a Model, or what `myocard.wrap` makes"
        )
    return given if isinstance(given, Model) else Model(given)
