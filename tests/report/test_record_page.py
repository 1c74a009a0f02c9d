"""The page of a record says what the explanation holds, whatever the outcome, and no more."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from record_pages import attribution, decision, explanation

from myocard.leads import LEADS
from myocard.record import Record
from myocard.report.record import sheet, words
from myocard.report.record.index import index
from myocard.report.record.page import page
from myocard.results.classifier import Scale
from myocard.results.explanation import Entry, Neighbour, Neighbours


class Rows(HTMLParser):
    """The cells of every row of every table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.within = False

    def handle_starttag(self, tag, attrs) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.within = True

    def handle_endtag(self, tag) -> None:
        self.within = self.within and tag not in ("td", "th")

    def handle_data(self, data) -> None:
        if self.within:
            self.rows[-1][-1] += data.strip()


def rows(text: str) -> list[list[str]]:
    parser = Rows()
    parser.feed(text)
    return parser.rows


def test_predictions_are_calibrated_and_decided_as_the_decision_says():
    found = explanation()
    columns = decision().columns(found.scores[None])
    said = {row[0]: row for row in rows(page(found)) if len(row) == 6}
    for k, name in enumerate(decision().classes):
        yes = "yes" if columns[f"decision:{name}"][0] else "no"
        score, threshold = f"{found.calibrated[k]:.2f}", f"{decision().thresholds[k]:.2f}"
        assert said[name] == [name, score, yes, "", threshold, str(columns[f"set:{name}"][0])]


def test_superclasses_are_spelt_out_and_other_outputs_are_left_as_they_are():
    found = explanation()
    assert "MI: myocardial infarction" in page(found)
    other = replace(found, shape=found.shape.model_copy(update={"task": "mine"}))
    assert words.meanings(other) == ""
    assert "myocardial infarction" not in page(other)


def test_a_curve_is_written_to_a_microvolt_with_its_gaps():
    values = np.random.default_rng(0).normal(size=400).astype(np.float32)
    values[[0, 100, 101, 399]] = np.nan
    path, found = sheet.path_of(values), np.full(400, np.nan)
    for run in path.split("M")[1:]:
        start, first, *steps = map(int, re.findall(r"-?\d+", run))
        heights = np.cumsum([first, *steps[1::2]])
        assert steps[::2] == [1] * (len(heights) - 1)
        found[start : start + len(heights)] = -heights / sheet.STEPS
    assert np.array_equal(np.isnan(found), np.isnan(values))
    assert np.nanmax(np.abs(found - values)) <= 0.5 / sheet.STEPS + 1e-6


def test_a_row_holds_its_curve_and_a_record_without_unit_says_so():
    signal = np.zeros((2, 1000), np.float32)
    signal[0, 500], signal[1, 500] = 2.2, -1.4
    drawn = sheet.Sheet.of(Record.from_array(signal, 100, ("II", "V1"), "mV"))
    for row, up, down in zip(drawn.rows, (22, 10), (0, 14), strict=True):
        assert row.zero >= up
        assert row.height - row.zero >= down
        assert row.height % 5 == 0
    noise = np.random.default_rng(0).normal(scale=7, size=(12, 1000))
    found = replace(explanation(), record=Record.from_array(noise, 100, LEADS, "NU"))
    assert "no voltage is known" in page(found)


def test_ids_of_training_records_are_shown_where_they_are_given_alone():
    found = explanation()
    assert "secret-7" not in page(found)
    named = Neighbours(2, 940, (Neighbour(0.93, "NORM", "secret-7"),))
    assert ["1", "0.93", "NORM", "secret-7"] in rows(page(replace(found, neighbours=named)))


def test_a_name_is_text_wherever_it_stands():
    name = '</script><img src="x">&'
    text = page(explanation(name))
    assert "<img" not in text
    assert "&lt;/script&gt;&lt;img" in text
    (data,) = re.findall(r'id="data">(.*?)</script>', text)
    assert json.loads(data)["outputs"] == ["NORM", "CD", "MI"]
    listed = index([Entry(name=name, error=name)], name)
    assert "<img" not in listed


def test_nothing_that_is_not_there_is_spoken_of():
    bare = replace(
        explanation(),
        neighbours=None,
        reference=None,
        single=np.full((5, 3), np.nan),
    )
    text = page(bare)
    assert "No training records were given" in text
    assert "No heads of single layers" in text
    assert "was not kept with the model" in text
    assert bare.disagreement is None


@pytest.mark.parametrize(("outcome", "said"), [("number", "61.20 %"), ("time", "61.20")])
def test_numbers_and_hazards_are_told_in_their_unit(outcome, said):
    unit = {"number": "%", "time": "years"}[outcome]
    chosen = decision().model_copy(
        update={
            "outcome": outcome,
            "temperature": None,
            "thresholds": (),
            "coverage": 0.9 if outcome == "number" else None,
            "reach": (5.0, 5.0, 5.0) if outcome == "number" else (),
        }
    )
    shape = explanation().shape.model_copy(
        update={
            "outcome": outcome,
            "unit": unit,
            "scale": (Scale(mean=50, deviation=4),) * 3 if outcome == "number" else (),
        }
    )
    scores = np.array([61.2, 40.0, 12.5], np.float32)
    found = replace(explanation(), decision=chosen, shape=shape, scores=scores)
    text = page(found)
    row = next(each for each in rows(text) if each[:1] == ["CD"])
    assert row == ["CD", said, "56.20 to 66.20"] if outcome == "number" else ["CD", said]
    spread = found.single[1:].std(axis=0).max()
    wanted = spread / 4 if outcome == "number" else spread
    assert found.disagreement == pytest.approx(wanted)


def test_there_is_a_warning_where_a_map_is_not_to_be_relied_on():
    found = explanation()
    assert list(words.warnings_of(found)) == []
    draws = np.random.default_rng(9)
    apart = replace(found.attribution, occlusion=draws.normal(size=(3, 12, 25)))
    (told,) = words.warnings_of(replace(found, attribution=apart))
    assert told.startswith("The two methods disagree on NORM, CD, MI")
    alike = replace(found.attribution, randomised=found.attribution.gradients[0])
    (told,) = words.warnings_of(replace(found, attribution=alike))
    assert "gives a map of NORM like this one" in told
    part = replace(found.attribution, answers=found.attribution.answers + 30)
    (told,) = words.warnings_of(replace(found, attribution=part))
    assert told.startswith("Gradients leave a part")


def test_a_page_asks_nothing_from_elsewhere():
    text = page(explanation())
    assert re.findall(r'(?:src|href)="(?!#|data:,)[^"]*"', text) == []
    assert "@import" not in text
    assert "url(http" not in text
    assert attribution().maps["occlusion"].shape == attribution().gradients.shape
