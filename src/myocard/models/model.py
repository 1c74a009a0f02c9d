"""A model that a user holds: ask it about records, one or many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from myocard.data.signal import Preprocessing
from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.protocol import ECGEncoder, differ_in_width, joined_states
from myocard.errors import InputError
from myocard.leads import parse_leads
from myocard.models.checkpoint import Checkpoint, open_checkpoint
from myocard.models.classifier import load_classifier, read_probe
from myocard.models.places import upload
from myocard.nn.outcomes import LIKELIHOODS
from myocard.nn.readouts.classifier import Classifier
from myocard.outcomes import CLASSES
from myocard.record import Record
from myocard.results.run import ClassifierShape

Records = Record | Sequence[Record] | ArrayLike
_BATCH = 64
NANO = "ecg-nano"
"""The encoder that comes with myocard."""


class ArrayForm(TypedDict, total=False):
    """The form of an array of signals.

    Attributes:
        rate: Samples per second (Hz).
        leads: Names of its rows.
        unit: mV, uV, V or NU.
    """

    rate: float | None
    leads: Sequence[str] | None
    unit: str | None


class Form(ArrayForm, total=False):
    """The form of what a model is asked about: of an array, and for any records the leads to read.

    Attributes:
        only: Some of the encoder's leads, for records that lack the others.
    """

    only: Sequence[str] | None


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
    """

    encoder: ECGEncoder
    classifier: Classifier | None = None
    shape: ClassifierShape | None = None

    def __repr__(self) -> str:
        info, shape = self.encoder.info, self.shape
        read = f", {shape.readout} and {shape.head} head for {shape.task}" if shape else ""
        widths = sorted({layer.width for layer in self.encoder.layers})
        width = " to ".join(map(str, dict.fromkeys((widths[0], widths[-1]))))
        return f"Model({info.name}: {info.layers} layers of width {width}{read})"

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

    @torch.inference_mode()
    def predict_proba(self, records: Records, **form: Unpack[Form]) -> NDArray[np.float32]:
        """The probability of each of ``classes_``, ``(records, classes)``."""
        classifier, shape = self._with_classifier()
        if shape.outcome not in CLASSES:
            raise InputError(f"{shape.task}: outputs are no probabilities; ask predict for them")
        states, asked = self._states(records, **form)
        return self._scores(classifier(states), shape)[asked]

    @torch.inference_mode()
    def predict(self, records: Records, **form: Unpack[Form]) -> NDArray[np.float32]:
        """The score of each of ``classes_``, ``(records, outputs)``.

        Probabilities of classes, numbers in the unit of their labels, log hazards of events.
        """
        classifier, shape = self._with_classifier()
        states, asked = self._states(records, **form)
        return self._scores(classifier(states), shape)[asked]

    @staticmethod
    def _scores(logits: Tensor, shape: ClassifierShape) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = LIKELIHOODS[shape.outcome].scores(logits).numpy()
        if not shape.scale:
            return scores
        scale = np.array([(each.mean, each.deviation) for each in shape.scale], np.float32).T
        return scores * scale[1] + scale[0]

    def save_pretrained(self, folder: Path | str) -> None:
        """Write encoder and classifier as a checkpoint's folder, which the hub takes as it is.

        Raises:
            InputError: When others made the encoder, or the folder is there and no checkpoint.
        """
        if not isinstance(self.encoder, MyocardEncoder):
            raise InputError(
                f"{self.encoder.info.name} is not myocard's own: its makers' licence says who may "
                "pass it on; share a probe's run in its place"
            )
        rest = {} if self.classifier is None else self.classifier.state_dict()
        Checkpoint(self.encoder, rest, self.shape).save(Path(folder))

    def push_to_hub(self, repository: str) -> str:
        """Save it on the Hugging Face hub, as ``owner/name``; return the address.

        Raises:
            InputError: As ``save_pretrained``, and when the hub refuses.
        """
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
    def _states(
        self, records: Records, only: Sequence[str] | None = None, **form: Unpack[ArrayForm]
    ) -> tuple[Tensor, int | slice]:
        """The states of all records, and the index of what was asked for."""
        listed, single = _listed(records, **form)
        encoder = self.encoder if only is None else _with_only(self.encoder, only)
        windows = torch.from_numpy(np.stack([_window(each, encoder.input) for each in listed]))
        parts = [joined_states(encoder, some) for some in windows.split(_BATCH)]
        return torch.cat(parts), 0 if single else slice(None)


def _listed(
    records: Records,
    rate: float | None = None,
    leads: Sequence[str] | None = None,
    unit: str | None = None,
) -> tuple[list[Record], bool]:
    """The records as a list, and whether a single one was given."""
    stated = {"rate": rate, "leads": leads, "unit": unit}
    if isinstance(records, Record):
        _refuse_form(stated)
        return [records], True
    if isinstance(records, Sequence) and all(isinstance(each, Record) for each in records):
        if not records:
            raise InputError("no record is given")
        _refuse_form(stated)
        return list(records), False
    if isinstance(records, str | Path):
        raise InputError(f"{records}: a path, not a record; give myocard.read(path)")
    try:
        array = np.asarray(records)
    except ValueError as error:
        raise InputError("give arrays of one shape, or a list of Records") from error
    missing = [name for name, value in stated.items() if value is None]
    if rate is None or leads is None or unit is None:
        named = ", ".join(f"{name}=…" for name in missing)
        raise InputError(f"an array does not say its {', '.join(missing)}; give {named}")
    if array.ndim not in (2, 3) or not len(array):
        raise InputError(
            f"an array of shape {array.shape}; give (leads, samples) or (records, leads, samples)"
        )
    single = array.ndim == 2
    signals = array[None] if single else array
    return [Record.from_array(signal, rate, leads, unit) for signal in signals], single


def _refuse_form(stated: Mapping[str, object]) -> None:
    given = ", ".join(f"{name}=" for name, value in stated.items() if value is not None)
    if given:
        raise InputError(f"a Record states its own rate, leads and unit; leave {given} out")


def _with_only(encoder: ECGEncoder, only: Sequence[str]) -> ECGEncoder:
    if isinstance(only, str):
        raise InputError(f"only={only!r}: give a list of leads")
    stated, chosen = encoder.input.leads, parse_leads(only)
    if not chosen or not set(chosen) <= set(stated):
        raise InputError(
            f"leads {', '.join(chosen) or 'of no name'}: {encoder.info.name} reads "
            f"{', '.join(stated)}; name some of these"
        )
    return encoder.with_leads(chosen)


def _window(record: Record, expected: Preprocessing) -> NDArray[np.float32]:
    """The middle window of a record, as an encoder expects it."""
    missing = ", ".join(lead for lead in expected.leads if lead not in record.leads)
    if missing:
        raise InputError(
            f"the record has no lead {missing}; it has {', '.join(record.leads)}: name those of "
            "them that the model reads with `only`"
        )
    record = record.select(expected.leads)
    if not record.signal.size:
        raise InputError("a record of 0 s is shorter than the encoder's window; give a longer one")
    if record.not_finite:
        raise InputError(
            f"lead {', '.join(record.not_finite)} holds values that are not finite; fix it, or "
            "name the other leads with `only`"
        )
    if record.flat:
        named = ", ".join(record.flat)
        raise InputError(f"lead {named} is constant; name the other leads with `only`")
    if expected.needs_voltage and record.unit == "NU":
        raise InputError("the record has no voltage, which the encoder reads; give it in mV")
    return expected(record.signal, record.rate)


def from_pretrained(given: Path | str = NANO, probe: Path | str | None = None) -> Model:
    """Load an encoder, and the readout and head that go with it.

    Args:
        given: A pretrained encoder or fine-tuned model, as ``open_checkpoint`` takes it: its folder
            or file, its name, or its place on the Hugging Face hub. By default the encoder that
            comes with myocard, for which no network is asked.
        probe: The run folder of a probe of that encoder.

    Raises:
        InputError: When it is not whole, or the probe is of another encoder.
    """
    opened = open_checkpoint(given)
    encoder = opened.encoder if isinstance(opened, Checkpoint) else opened
    if probe is not None:
        run, classifier = read_probe(Path(probe), encoder)
        return Model(encoder, classifier, run.shape)
    if not isinstance(opened, Checkpoint) or opened.classifier is None:
        return Model(encoder)
    shape, rest, file = opened.classifier, dict(opened.rest), Path(given) / "model.safetensors"
    return Model(encoder, load_classifier(shape, rest, file, encoder.norm, encoder.layers), shape)
