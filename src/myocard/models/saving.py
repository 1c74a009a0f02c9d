"""Models saved by the rule of finishing: an encoder, a run of it, and what validation says."""

from pathlib import Path

from myocard.files.manifest import file_hash
from myocard.files.step import step
from myocard.models.classifier import WEIGHTS
from myocard.models.model import Model
from myocard.models.opening import from_pretrained
from myocard.results.reference import single_layers
from myocard.results.run import RUN, Run
from myocard.results.saved import PREDICTIONS


def save(
    encoder: Path | str,
    run: Path,
    out: Path,
    *,
    sensitivity: float | None = None,
    coverage: float | None = None,
) -> Model:
    """Save the model of a run with all that it takes to predict elsewhere.

    Args:
        encoder: The encoder of a probe, or the model that a fine-tuning left.
        run: The run's folder.
        out: The folder to write, by the rule of ``files/step.py``.
        sensitivity: As ``Model.decided`` takes it.
        coverage: As ``Model.decided`` takes it.

    Raises:
        InputError: As ``from_pretrained``, ``Model.decided`` and ``Model.write``.
    """
    probe = run if Run.read(run).kind == "probe" else None
    model = from_pretrained(encoder, probe)
    decided = model.decided(run, sensitivity=sensitivity, coverage=coverage)
    compared = decided.compared(run)
    inputs = {
        "encoder": model.encoder.info.hash,
        "run": {name: file_hash(run / name) for name in (RUN, PREDICTIONS)},
        "single_layers": {
            place.name: file_hash(place / WEIGHTS) for place, _ in single_layers(run)
        },
        "sensitivity": sensitivity,
        "coverage": coverage,
    }
    step(out, inputs, lambda folder, work: compared.write(folder))
    return compared
