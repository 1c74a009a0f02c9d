"""A page on one record, which needs nothing beside it and asks no network."""

import json
from base64 import b64encode
from hashlib import sha256
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from myocard.report.record import layers, sheet, words
from myocard.report.record.words import number
from myocard.report.scale import BOLD, FINE
from myocard.report.templates import environment, text_of
from myocard.results.explanation import Explanation


class Prediction(NamedTuple):
    """One output as a row.

    Attributes:
        output: Its name.
        score: Its score, in words.
        place: Place of the score from 0 to 100, where it is a probability.
        threshold: Place of the threshold; None where there is none.
        decision: ``yes``, ``no`` or nothing.
        answer: Its set or interval, in words.
    """

    output: str
    score: str
    place: float | None
    threshold: float | None
    decision: str
    answer: str


class LeadNumbers(NamedTuple):
    """A lead's sum by each method, and the time of the square that counts most."""

    lead: str
    told: list[tuple[str, str]]


class MapNumbers(NamedTuple):
    """The maps of one output, in words: see ``Attribution``."""

    output: str
    answer: str
    flattened: str
    agreement: str
    left: str
    leads: list[LeadNumbers]


def page(explanation: Explanation) -> str:
    """Render the page of an explanation as one HTML text."""
    drawn = sheet.Sheet.of(explanation.record)
    style = Markup(f"{text_of('report.css')}\n{text_of('record/record.css')}")
    script = Markup(text_of("record/sheet.js"))
    return (
        environment()
        .get_template("record/page.html.jinja")
        .render(
            x=explanation,
            policy=policy_of(style, script),
            style=style,
            script=script,
            colours={"fine": FINE, "bold": BOLD},
            predictions=predictions_of(explanation),
            operating=words.operating_point(explanation),
            meanings=words.meanings(explanation),
            sheet=drawn,
            left=sheet.LEFT,
            squares=sheet.squares_of(explanation.attribution),
            maps=maps_of(explanation),
            data=_json(_data(explanation, drawn)),
            warnings=list(words.warnings_of(explanation)),
            weights=layers.weights_of(explanation),
            curves=layers.curves_of(explanation),
            answers=layers.answers_table(explanation),
            basis=list(words.basis_of(explanation)),
            number=number,
        )
    )


def policy_of(style: str, script: str) -> str:
    """The content security policy that lets a page's own style and script run, and no more."""
    own = {"style-src": style, "script-src": script}
    hashes = {
        kind: b64encode(sha256(text.encode()).digest()).decode() for kind, text in own.items()
    }
    rules = ["default-src 'none'", "img-src data:", "base-uri 'none'", "form-action 'none'"]
    return "; ".join([*rules, *(f"{kind} 'sha256-{value}'" for kind, value in hashes.items())])


def predictions_of(explanation: Explanation) -> list[Prediction]:
    """A row for each output, in falling order of scores."""
    decision, values = explanation.decision, explanation.calibrated
    columns = {name: each[0] for name, each in decision.columns(explanation.scores[None]).items()}
    rows = []
    for k in np.argsort(-values, kind="stable"):
        output, place, threshold = decision.classes[k], None, None
        if explanation.has_probabilities:
            place = round(100 * float(values[k]), 1)
            threshold = round(100 * min(decision.thresholds[k], 1.0), 1)
        said = columns.get(f"decision:{output}")
        answer = str(columns.get(f"set:{output}", ""))
        if f"low:{output}" in columns:
            low, high = (float(columns[f"{end}:{output}"]) for end in ("low", "high"))
            answer = f"{number(low)} to {number(high)}"
        if "set" in columns:
            answer = "in the set" if output in str(columns["set"]).split(";") else ""
        told = {None: "", True: "yes", False: "no"}[None if said is None else bool(said)]
        in_units = explanation.shape.outcome == "number" and explanation.shape.unit
        score = number(float(values[k])) + (f" {in_units}" if in_units else "")
        rows.append(Prediction(output, score, place, threshold, told, answer))
    return rows


def maps_of(explanation: Explanation) -> list[MapNumbers]:
    """Each output that has maps, in numbers."""
    found = explanation.attribution
    return [
        MapNumbers(
            explanation.shape.classes[output],
            number(found.answers[k]),
            number(found.flattened[k]),
            number(found.agreement[k]),
            f"{100 * found.incompleteness[k]:.0f} %",
            [_of_lead(explanation, k, row) for row in range(len(found.leads))],
        )
        for k, output in enumerate(found.outputs)
    ]


def _of_lead(explanation: Explanation, k: int, row: int) -> LeadNumbers:
    found, told = explanation.attribution, []
    for each in found.maps.values():
        at = explanation.record.start + found.edges[np.abs(each[k, row]).argmax()]
        told.append((number(each[k, row].sum()), f"{at:.1f} s"))
    return LeadNumbers(found.leads[row], told)


def _data(explanation: Explanation, drawn: sheet.Sheet) -> dict[str, object]:
    """The numbers that the page's script reads."""
    found = explanation.attribution
    return {
        "rate": drawn.rate,
        "seconds": drawn.seconds,
        "start": drawn.start,
        "unit": drawn.unit,
        "left": sheet.LEFT,
        "top": sheet.TOP,
        "axis": sheet.AXIS,
        "scale": drawn.scale,
        "steps": sheet.STEPS,
        "darkest": sheet.DARKEST,
        "leads": found.leads,
        "kind": "log odds" if explanation.has_probabilities else "the output's unit",
        "maps": {name: _rounded(each) for name, each in found.maps.items()},
        "outputs": [explanation.shape.classes[k] for k in found.outputs],
    }


def _rounded(values: np.ndarray) -> list[object]:
    digits = 4 - int(np.floor(np.log10(max(float(np.abs(values).max(initial=0)), 1e-9))))
    rounded: list[object] = np.round(values, digits).tolist()
    return rounded


def _json(data: dict[str, object]) -> Markup:
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))
