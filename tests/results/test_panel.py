"""Several tables for the same records: what they must agree in, and what may be in one alone."""

import numpy as np
import pandas as pd
import pytest

from myocard.errors import InputError
from myocard.results.columns import Asked
from myocard.results.given import read_given
from myocard.results.panel import line_up

IDS = ["a", "b", "c", "d"]
ONE = {"id": IDS, "score:AF": [0.1, 0.2, 0.3, 0.4], "target:AF": [0, 1, np.nan, 1]}
OTHER = {"id": IDS[::-1], "score:AF": [4, 3, 2, 1]}
PATIENTS = {"id": ["z", *IDS], "patient": [9, 1, 1, 2, 2], "age": [0, 30, 30, 40, 40]}


@pytest.fixture
def panel(tmp_path):
    """Line up two tables, with some columns over those above."""

    def line(one=(), other=(), whose=(), patients="table", common=False, kind="any"):
        given, asked = [], Asked(kind, ("age",))
        for name, changes, usual in (("one", dict(one), ONE), ("other", dict(other), OTHER)):
            columns = changes | {k: each for k, each in usual.items() if k not in changes}
            pd.DataFrame(columns).to_csv(tmp_path / f"{name}.csv", index=False)
            given.append(read_given(name, tmp_path / f"{name}.csv", "test", asked))
        if patients == "table":
            patients = str(tmp_path / "patients.csv")
            pd.DataFrame(PATIENTS | dict(whose)).to_csv(patients, index=False)
        return line_up(given, asked, patients=patients, common=common)

    return line


def test_records_stand_in_one_order_and_blanks_are_filled_from_other_tables(panel):
    found = panel(other={"target:AF": [np.nan, 0, 1, np.nan]})
    assert found.names == ("one", "other")
    assert found.ids.tolist() == IDS
    assert found.targets[:, 0].tolist() == [0, 1, 0, 1]
    assert found.scores[0][0, :, 0].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert found.scores[1][0, :, 0].tolist() == [1, 2, 3, 4]
    assert found.patients.tolist() == ["1", "1", "2", "2"]
    assert found.traits["age"].tolist() == [30, 30, 40, 40]
    assert found.dropped == (0, 0)
    some = found.of(np.array([True, False, True, False]))
    assert (some.ids.tolist(), some.scores[1].shape) == (["a", "c"], (1, 2, 1))


def test_classes_stand_in_the_order_of_the_first(panel):
    more = {"score:B": [5, 6, 7, 8], "target:B": [1, 1, 0, 0]}
    other = {"score:AF": [4, 3, 2, 1], "score:B": [9, 8, 7, 6]}
    found = panel(one=more, other=other)
    assert found.classes == ("B", "AF")
    assert found.scores[0][0, 0].tolist() == [5, 0.1]
    assert found.scores[1][0].tolist() == [[6, 1], [7, 2], [8, 3], [9, 4]]


@pytest.mark.parametrize("words", [[True, False, None, True], ["Yes", "no", "?", "y"]])
def test_truth_may_be_written_in_the_words_that_tasks_know(panel, words):
    found = panel(one={"target:AF": words}).targets[:, 0]
    assert np.array_equal(found, [1, 0, np.nan, 1], equal_nan=True)


def test_a_disagreement_is_refused_with_its_record(panel):
    with pytest.raises(InputError, match=r"target:AF of b is 1.* in .*one.csv, and 0.* in .*other"):
        panel(other={"target:AF": [1, 0, 0, 0]})
    with pytest.raises(InputError, match="age of c is 41"):
        panel(one={"age": [30, 30, 41, 40]})


def test_without_patients_nothing_is_compared(panel):
    with pytest.raises(InputError, match="no column patient in .*; give --patients FILE"):
        panel(patients=None)
    with pytest.raises(InputError, match="^nowhere: no such file; give a table"):
        panel(patients="nowhere")
    assert panel(patients="none").patients is None
    assert panel(patients="none").owners.tolist() == IDS
    own = panel(patients=None, other={"patient": ["v", "w", "x", "y"]})
    assert own.patients.tolist() == ["y", "x", "w", "v"]


def test_the_table_of_patients_goes_before_the_columns_of_predictions(panel):
    found = panel(other={"patient": ["v", "w", "x", "y"]})
    assert found.patients.tolist() == ["1", "1", "2", "2"]


def test_a_record_without_a_patient_is_named(panel):
    with pytest.raises(InputError, match="2 records have no patient in .*, such as c"):
        panel(whose={"patient": [9, 1, 1, np.nan, np.nan]})
    with pytest.raises(InputError, match="patient of a differs from row to row"):
        panel(whose={"id": ["a", *IDS]})


def test_records_that_one_model_lacks_are_dropped_only_when_asked(panel):
    fewer = {"id": ["d", "e", "b", "f"]}
    told = (
        "one has 2 of 4 records that not all have, such as a; other has 2 of 4 records that not "
        "all have, such as e; --common compares the 2 that all have"
    )
    with pytest.raises(InputError, match=told):
        panel(other=fewer)
    found = panel(other=fewer, common=True)
    assert found.ids.tolist() == ["b", "d"]
    assert found.dropped == (2, 2)
    assert found.scores[1][0, :, 0].tolist() == [2, 4]
    with pytest.raises(InputError, match="none is in all"):
        panel(other={"id": ["e", "f", "g", "h"]}, common=True)


def test_classes_must_be_the_same_and_have_targets(panel):
    with pytest.raises(InputError, match="only one of them has B"):
        panel(one={"score:B": [1, 2, 3, 4]})
    both = {"score:B": [1, 2, 3, 4]}
    with pytest.raises(InputError, match="score:B has no target:B in"):
        panel(one=both, other=both)


def test_ids_that_are_written_in_another_way_are_matched_as_those_of_tasks(panel, caplog):
    caplog.set_level("INFO")
    ids = ["001", "002", "013", "x/104"]
    whose = {"id": ["1", "2", "13", "104", "5"], "age": [30] * 5, "patient": list("vvwwz")}
    found = panel(one={"id": ids}, other={"id": ["1.hea", "2.hea", "104", "13.hea"]}, whose=whose)
    assert found.ids.tolist() == ids
    assert found.scores[1][0, :, 0].tolist() == [4, 3, 1, 2]
    assert found.patients.tolist() == list("vvww")
    for told in ("other.csv: ids are matched", "3 by leading zeros", "1 by last part of the path"):
        assert told in caplog.text
    assert "patients.csv: ids are matched" in caplog.text


def test_ids_that_fit_several_are_not_matched_but_listed(panel):
    with pytest.raises(InputError, match="one has 4 of 4 .* such as 001; other has 4 of 4"):
        panel(one={"id": ["01", "001", "8", "9"]}, other={"id": ["1", "x", "y", "z"]})
