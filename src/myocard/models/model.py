"""A model that a user holds: ask it about records, one or many."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from myocard.encoders.files import read_weights
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder, differ_in_width, joined_states, with_only
from myocard.encoders.published import PublishedEncoder
from myocard.errors import InputError
from myocard.files.atomic import replace_folder
from myocard.files.manifest import CHECKPOINT, MODEL
from myocard.models import foreign
from myocard.models.checkpoint import Checkpoint, card_of_encoder
from myocard.models.classifier import WEIGHTS, scores_of, statement_of
from myocard.models.places import upload
from myocard.models.records import ArrayForm, Form, Records, stacked
from myocard.models.reference import LayerReference
from myocard.models.statement import Reading, Statement
from myocard.nn.readouts.classifier import Classifier
from myocard.outcomes import CLASSES
from myocard.results.classifier import ClassifierShape
from myocard.results.decision import Decision
from myocard.training.threads import one_thread

_BATCH = 16
_MODELS = (CHECKPOINT, MODEL)


@dataclass(frozen=True, eq=False)
class Model:
    """An encoder, and a classifier on its layers if there is one.

    Every method takes one record or many: a ``Record``, a list of them, or an array
    ``(leads, samples)`` or ``(records, leads, samples)`` with its ``rate`` and ``leads``. A record
    may have any rate, lead order and unit; its middle window is read. For one record the first axis
    of what is returned is left out.

    Attributes:
        encoder: The encoder.
        classifier: Readout and head, if there are any.
        shape: Task, classes, readout and head of the classifier.
        decision: Temperature, thresholds and sets for the scores of the classifier; a table of
            predictions has them, and ``predict_proba`` does not.
        place: The file or folder that the encoder was read from.
        reference: Layer weights of other records, and answers of single layers, to explain with.
    """

    encoder: ECGEncoder
    classifier: Classifier | None = None
    shape: ClassifierShape | None = None
    decision: Decision | None = None
    place: Path | None = None
    reference: LayerReference | None = None

    def __repr__(self) -> str:
        info, shape = self.encoder.info, self.shape
        read = f", {shape.readout} and {shape.head} head for {shape.task}" if shape else ""
        widths = sorted({layer.width for layer in self.encoder.layers})
        width = " to ".join(map(str, dict.fromkeys((widths[0], widths[-1]))))
        return f"Model({info.name}: {info.layers} layers of width {width}{read})"

    @cached_property
    def statement(self) -> Statement:
        """The model without its weights.

        Raises:
            InputError: When it has no classifier or no decision.
        """
        classifier, shape = self._with_classifier()
        if self.decision is None:
            name = self.encoder.info.name
            raise InputError(f"{name}: a model without thresholds; choose them by `decided`")
        return statement_of(self.encoder, classifier, shape, self.decision)

    @property
    def classes_(self) -> tuple[str, ...]:
        """The classes, in the order of ``predict_proba``."""
        return self._with_classifier()[1].classes

    def hidden_states(
        self, records: Records, **form: Unpack[Form]
    ) -> NDArray[np.float32] | list[NDArray[np.float32]]:
        """The pooled state of every layer, ``(records, layers, width)``; layer 0 is the embedding.

        Where layers differ in width, a list of one array a layer, ``(records, width)`` each.

        Args:
            records: One record or many.
            form: As ``Form`` has it.

        Raises:
            InputError: For a record that is too short, lacks a lead, or has values that are not
                finite or constant.
        """
        states, asked = self._states(records, **form)
        if not differ_in_width(self.encoder.layers):
            return states.numpy()[asked]
        widths = [layer.width for layer in self.encoder.layers]
        return [each.numpy()[asked] for each in states.split(widths, dim=1)]

    @torch.inference_mode()
    def layer_weights(self, records: Records, **form: Unpack[Form]) -> NDArray[np.float32]:
        """The share of each layer that the readout takes, ``(records, layers)``."""
        classifier, _ = self._with_classifier()
        states, asked = self._states(records, **form)
        weights: NDArray[np.float32] = classifier.readout.layer_weights(states).numpy()
        return weights[asked]

    def predict_proba(self, records: Records, **form: Unpack[Form]) -> NDArray[np.float32]:
        """The probability of each of ``classes_``, ``(records, classes)``."""
        _, shape = self._with_classifier()
        if shape.outcome not in CLASSES:
            raise InputError(f"{shape.task}: outputs are no probabilities; call predict")
        return self.predict(records, **form)

    def predict(self, records: Records, **form: Unpack[Form]) -> NDArray[np.float32]:
        """The score of each of ``classes_``, ``(records, outputs)``.

        Probabilities of classes, numbers in the unit of their labels, log hazards of events.
        """
        self._with_classifier()
        states, asked = self._states(records, **form)
        return self._scores(states)[asked]

    @torch.inference_mode()
    def read(self, windows: NDArray[np.float32]) -> Reading:
        """Read windows ``(records, leads, samples)`` that are as the encoder expects them.

        On one thread, so that scores are the same to the last digit on any number of cores.
        """
        classifier, _ = self._with_classifier()
        with one_thread():
            states = _pooled(self.encoder, torch.from_numpy(windows))
            return Reading(self._scores(states), classifier.readout.layer_weights(states).numpy())

    def decided(
        self,
        run: Path | str,
        *,
        sensitivity: float | None = None,
        coverage: float | None = None,
    ) -> "Model":
        """The same model with temperature, thresholds and sets from its run's validation records.

        Args:
            run: The folder of the run that trained it.
            sensitivity: Share of its positives that a threshold is to find; by default thresholds
                give the best F1.
            coverage: Probability with which sets are to hold the truth; by default no sets.

        Raises:
            InputError: When it is another model's run, and as ``decide`` of
                ``results/validation.py``.
        """
        # Fitting imports for half a second, which a prediction should not wait for.
        from myocard.results.validation import decide

        classifier, _ = self._with_classifier()
        trained = read_weights(Path(run) / WEIGHTS, "give the folder of the run that trained it")
        own = classifier.state_dict()
        if trained.keys() != own.keys() or not all(own[k].equal(v) for k, v in trained.items()):
            raise InputError(f"{run}: a run of another model; give the folder of its own")
        decision = decide(Path(run), sensitivity=sensitivity, coverage=coverage)
        return replace(self, decision=decision)

    def compared(self, run: Path | str) -> "Model":
        """The same model with what its run, and those beside it, say to compare a record with.

        Args:
            run: The folder of the run that trained it.

        Raises:
            InputError: When a run is not whole, or of another encoder.
        """
        return replace(self, reference=LayerReference.collect(Path(run), self.encoder))

    def save_pretrained(self, folder: Path | str) -> None:
        """Write a folder that holds all that it takes to use the model elsewhere.

        The hub takes it as it is. An encoder that others made is copied into it as they published
        it: their licence says whether the folder may be passed on.

        Raises:
            InputError: When the folder is there and no model, or ``write`` refuses.
        """
        folder = Path(folder)
        if folder.exists() and not any((folder / each.file).exists() for each in _MODELS):
            raise InputError(f"{folder}: exists and is no checkpoint; choose another folder")
        replace_folder(folder, self.write)

    def write(self, folder: Path) -> None:
        """Write the files of ``save_pretrained`` into a folder that is there.

        Raises:
            InputError: When others made the encoder, and there is no classifier or no file of it.
        """
        encoder, place = self.encoder, self.place
        written = () if self.reference is None else self.reference.write(folder)
        if isinstance(encoder, MyocardEncoder):
            own = {} if self.classifier is None else self.classifier.state_dict()
            rest = {name: value.clone() for name, value in own.items()}  # the norm is one for both
            about = None if place is None else card_of_encoder(place)
            Checkpoint(encoder, rest, self.shape, self.decision, about).write(folder, *written)
            return
        classifier, shape = self._with_classifier()
        if not isinstance(encoder, PublishedEncoder) or place is None:
            raise InputError(
                f"{encoder.info.name}: was made by code and not read from a file, which a model's "
                "folder could hold; pass on the run and the code"
            )
        foreign.write(folder, encoder, place, classifier, shape, self.decision, written)

    def push_to_hub(self, repository: str) -> str:
        """Save it on the Hugging Face hub, as ``owner/name``; return the address.

        Raises:
            InputError: When others made the encoder, or the hub refuses.
        """
        if not isinstance(self.encoder, MyocardEncoder):
            raise InputError(
                f"{self.encoder.info.name} is not myocard's own: its makers' licence says who may "
                "pass it on; share a probe's run in its place"
            )
        with TemporaryDirectory() as place:
            self.save_pretrained(Path(place) / "model")
            return upload(Path(place) / "model", repository)

    def _with_classifier(self) -> tuple[Classifier, ClassifierShape]:
        if self.classifier is None or self.shape is None:
            raise InputError(
                f"{self.encoder.info.name} is an encoder without a readout: load it with the run "
                "folder of a probe, or load a fine-tuned model"
            )
        return self.classifier, self.shape

    @torch.inference_mode()
    def _scores(self, states: Tensor) -> NDArray[np.float32]:
        classifier, shape = self._with_classifier()
        scores: NDArray[np.float32] = scores_of(shape, classifier(states)).numpy()
        return scores

    def _states(
        self, records: Records, only: Sequence[str] | None = None, **form: Unpack[ArrayForm]
    ) -> tuple[Tensor, int | slice]:
        """The states of all records, and the index of what was asked for."""
        encoder = self.encoder if only is None else with_only(self.encoder, only)
        windows, asked = stacked(records, encoder.input, **form)
        return _pooled(encoder, torch.from_numpy(windows)), asked


@torch.inference_mode()
def _pooled(encoder: ECGEncoder, windows: Tensor) -> Tensor:
    return torch.cat([joined_states(encoder, some) for some in windows.split(_BATCH)])
