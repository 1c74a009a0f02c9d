"""Model cards: pages that tell a stranger what a folder holds."""

from importlib import resources
from importlib.metadata import version

from myocard.encoders.ours import MyocardEncoder
from myocard.encoders.published import Card
from myocard.metrics.outcomes import NAMES
from myocard.outcomes import CLASSES, Outcome
from myocard.results.classifier import ClassifierShape, SplitInfo
from myocard.results.decision import Decision

_KINDS: dict[Outcome, str] = {
    "any": "any number of classes",
    "one": "one of several classes",
    "number": "numbers",
    "time": "time to an event",
}


def encoder_card(encoder: MyocardEncoder) -> str:
    """The page of an encoder."""
    expected, shape, origin = encoder.input, encoder.network.shape, encoder.origin
    corpus = encoder.pretrained_on.records
    counts = [] if corpus is None else corpus["source"].value_counts(sort=False).items()
    sources = "\n".join(f"- {source}: {count:,} records" for source, count in counts)
    band = f"{expected.band.highpass or 0:g}–{expected.band.lowpass or expected.rate / 2:g} Hz"
    rank = origin.effective_rank
    spread = "" if rank is None else (
        f"Effective rank of the last layer's states of {rank.records} of them: "
        f"{rank.value:g} of {rank.width}; below {rank.bound:g} is a collapse.\n\n"
    )  # fmt: skip
    return _template("card").format(
        name=encoder.name,
        version=version("myocard"),
        shape=shape,
        input=expected,
        band=band,
        leads=", ".join(expected.leads),
        sources=sources or "Nothing: the weights are random.",
        spread=spread,
        origin=origin.model_dump_json(indent=2),
    )


def model_card(encoder: str, shape: ClassifierShape, decision: Decision, about: str) -> str:
    """The page of a model with decisions.

    Args:
        encoder: Name of its encoder.
        shape: Task, classes, readout and head.
        decision: The decisions.
        about: Sentences on the encoder.
    """
    basis, score = decision.basis, decision.basis.score
    binary = decision.outcome == "any" and len(decision.classes) == 1
    test = "It was not scored on test records."
    if score is not None and score.value is not None:
        tested = _size(basis.splits["test"])
        interval = f"[{score.low:.3f}, {score.high:.3f}]"
        test = (
            f"{NAMES[basis.metric]} {score.value:.3f} {interval} on {tested} of {basis.tested_on}"
            f"{f', as a mean over {basis.seeds} seeds' if basis.seeds > 1 else ''}."
        )
    return _template("decision").format(
        title=f"{shape.task} from {encoder}",
        readout=shape.readout if shape.layer is None else f"of layer {shape.layer}",
        head=shape.head,
        encoder=encoder,
        version=version("myocard"),
        task=shape.task,
        kind="yes or no" if binary else _KINDS[decision.outcome],
        source=basis.source,
        train=_size(basis.splits["train"]),
        validation=_size(basis.splits["validation"]),
        test=test,
        decisions=" ".join(_sentences(decision)),
        table=_table(decision),
        about=about,
    )


def licence_of(card: Card) -> str:
    """Sentences on an encoder that others made, and on who may pass it on."""
    return (
        f"{card.title} ({card.paper}), as its makers published it, in `encoder/`. {licences(card)} "
        "Whoever passes this folder on passes their weights on, which that licence allows or does "
        f"not. Weights are at {card.where}."
    )


def licences(card: Card) -> str:
    """A sentence on the licences of an encoder that others made."""
    return f"Licence of the code: {card.code_licence}; of the weights: {card.weights_licence}."


def _template(name: str) -> str:
    return resources.files("myocard.models").joinpath(f"{name}.md").read_text(encoding="utf-8")


def _size(split: SplitInfo) -> str:
    return f"{split.records:,} records of {split.patients:,} patients"


def _sentences(decision: Decision) -> list[str]:
    told = []
    if decision.outcome in CLASSES:
        rule = (
            "the best F1"
            if decision.sensitivity is None
            else f"a sensitivity of {decision.sensitivity:g}"
        )
        told.append(
            f"Scores are probabilities at temperature {decision.temperature:.3g}; the decision is "
            f"yes from the threshold up, which gives {rule} on validation."
        )
    if decision.coverage is not None:
        told.append(
            f"Sets hold the truth for a share {decision.coverage:g} of records like those of "
            "validation, and somewhat less, as these chose penalty and temperature too."
        )
    return told or ["There are no thresholds or sets."]


def _table(decision: Decision) -> str:
    columns = {
        "threshold": decision.thresholds,
        "in the set from": decision.yes_from,
        '"no" in the set up to': decision.no_to,
        "half the interval": decision.reach,
    }
    filled = {name: values for name, values in columns.items() if values}
    lines = [["output", *filled], ["---"] * (len(filled) + 1)]
    lines += [
        [name, *(f"{values[k]:.4g}" for values in filled.values())]
        for k, name in enumerate(decision.classes)
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
