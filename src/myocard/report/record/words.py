"""Numbers and warnings of a page in words."""

from collections.abc import Iterator

from myocard.metrics.outcomes import NAMES
from myocard.results.explanation import ALIKE, Explanation

SUPERCLASSES = {
    "NORM": "normal ECG",
    "CD": "conduction disturbance",
    "HYP": "hypertrophy",
    "MI": "myocardial infarction",
    "STTC": "ST-T change",
}
"""Meanings of PTB-XL's superclasses."""
UNACCOUNTED = 0.1
"""Share of a change from which up it is said that gradients leave it unexplained."""


def number(value: float) -> str:
    """Round to two decimals, or to three digits where more are before the point."""
    text = f"{value:.2f}" if abs(value) < 100 else f"{value:.3g}"
    return "0.00" if text == "-0.00" else text


def warnings_of(explanation: Explanation) -> Iterator[str]:
    """Yield a sentence for each reason to distrust the maps."""
    if explanation.encoder.random:
        yield "The encoder's weights are random: nothing here was learned."
    found = explanation.attribution
    names = [explanation.shape.classes[k] for k in found.outputs]
    apart = [name for name, r in zip(names, found.agreement, strict=True) if not r >= ALIKE]
    if apart:
        yield (
            f"The two methods disagree on {', '.join(apart)} (rank correlation below {ALIKE:g}): "
            "do not rely on these maps."
        )
    if not found.likeness < ALIKE:
        yield (
            f"A network with random weights gives a map of {names[0]} like this one (rank "
            f"correlation {number(found.likeness)}): it shows the record more than the model."
        )
    left = [
        f"{name} ({100 * share:.0f} %)"
        for name, share in zip(names, found.incompleteness, strict=True)
        if share >= UNACCOUNTED
    ]
    if left:
        yield f"Gradients leave a part of the change unexplained: {', '.join(left)}."


def basis_of(explanation: Explanation) -> Iterator[tuple[str, str]]:
    """Yield names and values of where the numbers come from."""
    encoder, shape, decision = explanation.encoder, explanation.shape, explanation.decision
    basis = decision.basis
    yield (
        "Encoder",
        f"{encoder.name}, {len(explanation.layers)} layers; hash {encoder.hash or '–':.12}",
    )
    read = shape.readout if shape.layer is None else f"layer {shape.layer}"
    yield "Read by", f"{read}, {shape.head} head"
    yield "Task", shape.task
    train, validation = (basis.splits[name] for name in ("train", "validation"))
    yield (
        "Trained on",
        f"{basis.source}: {train.records:,} records of {train.patients:,} patients; thresholds "
        f"and temperature from {validation.records:,} others",
    )
    score = basis.score
    if score is not None and score.value is not None:
        value = f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
        test = basis.splits["test"].records
        yield "Tested", f"{NAMES[basis.metric]} {value} on {test:,} records of {basis.tested_on}"


def meanings(explanation: Explanation) -> str:
    """Spell out PTB-XL's superclasses, where outputs are these."""
    shape = explanation.shape
    if "superdiagnostic" not in shape.task or not set(shape.classes) <= set(SUPERCLASSES):
        return ""
    return "; ".join(f"{name}: {SUPERCLASSES[name]}" for name in shape.classes) + "."


def operating_point(explanation: Explanation) -> str:
    """Say in sentences how thresholds and sets were chosen."""
    decision, told = explanation.decision, []
    if explanation.has_probabilities:
        rule = (
            "give the best F1"
            if decision.sensitivity is None
            else f"find {100 * decision.sensitivity:g} % of the positives"
        )
        told.append(
            f"Probabilities are calibrated on validation records (temperature "
            f"{decision.temperature:.3g}). A decision is yes from the threshold up; thresholds "
            f"{rule} there."
        )
    if decision.coverage is not None:
        told.append(
            f"The set holds the truth for {100 * decision.coverage:g} % of records like those of "
            "validation."
        )
        if explanation.shape.outcome == "any":
            told.append("“yes or no” leaves it open.")
    if explanation.shape.outcome == "time":
        told.append("A log hazard ranks records by risk; it is no probability.")
    return " ".join(told)
