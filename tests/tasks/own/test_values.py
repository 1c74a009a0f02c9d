"""Cells mean one thing, or are refused with the fix."""

import math
from contextlib import suppress
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.errors import InputError
from myocard.tasks.own.dates import days
from myocard.tasks.own.settings import MISSING
from myocard.tasks.own.values import class_names, flags, known, measures, numbers, ordered


def column(*cells: object) -> pd.Series:
    """Cells from line 2 on."""
    return pd.Series(cells, range(2, len(cells) + 2), dtype=object)


def test_words_that_say_nothing_are_a_closed_list_in_any_case():
    silent = ["", "NA", "N/A", "nan", "NULL", "None", "-", "?", "Unknown", "#N/A", "NaN"]
    assert not known(column(*silent), MISSING).any()
    assert known(column("0", "no", "n", "nobody", 0.5, date(2024, 1, 1)), MISSING).all()
    assert known(column("none", ""), ("", "na")).tolist() == [True, False]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1.5", "2"], [1.5, 2]),
        (["1,5", "2"], [1.5, 2]),
        (["1.234,5", "1.234"], [1234.5, 1234]),
        (["1,234.5", "1,234"], [1234.5, 1234]),
        (["1.234.567", "1,5"], [1234567, 1.5]),
        (["0.123", "1.234"], [0.123, 1.234]),
        (["12,3456", "1,234"], [12.3456, 1.234]),
        ([".5", "-1e-3", "+2."], [0.5, -0.001, 2]),
        (["1,5e3", "-,5"], [1500, -0.5]),
        (["12", "-7", "1e3"], [12, -7, 1000]),
        ([1.234, "5"], [1.234, 5]),
    ],
)
def test_decimal_marks_are_taken_where_cells_prove_them(cells, expected):
    assert numbers(column(*cells), "t: column y").tolist() == expected


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["1.234", "5"], r"'1\.234' \(line 2\) may have a mark .* say --decimal \. or --decimal ,"),
        (["1,234"], "--decimal"),
        (["1.5", "1,5"], r"point in '1\.5' \(line 2\), a decimal comma in '1,5' \(line 3\); write"),
        (["1", ">75"], r"column y: '>75' \(line 3\) is no number; correct it, or leave it blank"),
        (
            ["4,4 mmol/l", "3.9", ">75", "50%"],
            r"'4,4 mmol/l' \(line 2\), '50%' \(line 5\) has a unit \(%, mmol/l\); write numbers "
            "alone, all in one unit, and name it with --unit",
        ),
        (["inf"], "is no number"),
        (["1", "1e999"], r"'1e999' \(line 3\) is of no size that is measured \(1e-100 to 9e\+15\)"),
        (["1e300"], "of no size"),
        (["-1,5e99", "2,5"], "of no size"),
        (["9" * 300], "'9{40}…' \\(line 2\\) is of no size"),
        (["1e-300"], "of no size"),
        ([math.inf, 2.5], r"'inf' \(line 2\) is of no size"),
        ([-math.inf], "of no size"),
        (["1,23,456"], "is no number"),
        (["yes"] * 5, r"and 2 more is no number"),
    ],
)
def test_numbers_that_are_open_are_refused_by_name(cells, told):
    with pytest.raises(InputError, match=told):
        measures(column(*cells), "t: column y")


def test_a_given_decimal_mark_settles_what_is_open():
    assert numbers(column("1.234", "5"), "t", ",").tolist() == [1234, 5]
    assert numbers(column("1.234", "5"), "t", ".").tolist() == [1.234, 5]
    with pytest.raises(InputError, match=r"'1\.5' \(line 2\) is no number with the decimal mark ,"):
        numbers(column("1.5"), "t", ",")


@given(
    st.lists(st.decimals(min_value=-(10**6), max_value=10**6, places=2), min_size=1),
    st.sampled_from([".", ","]),
    st.booleans(),
)
def test_no_way_to_write_numbers_of_two_places_changes_them(values, mark, grouped):
    form = "{:,.2f}" if grouped else "{:.2f}"
    swapped = {".": mark, ",": "." if mark == "," else ","}
    cells = ["".join(swapped.get(c, c) for c in form.format(value)) for value in values]
    assert numbers(column(*cells), "t").tolist() == [float(value) for value in values]


def test_yes_and_no_are_known_in_any_case_and_as_numbers():
    yes = ["1", "YES", "True", "positive", "y", "1.0", "1,00"]
    no = ["0", "No", "FALSE", "Negative", "N", "0.0", "0,0"]
    assert flags(column(*yes, *no), "t").tolist() == [1.0] * 7 + [0.0] * 7


def test_other_words_are_refused_until_the_positive_one_is_named():
    cells = column("sick", "Well", "well")
    with pytest.raises(
        InputError, match=r"t: holds 'well' \(2\), 'sick' \(1\), not yes and no; name .* --positive"
    ):
        flags(cells, "t")
    assert flags(cells, "t", "SICK").tolist() == [1, 0, 0]
    with pytest.raises(InputError, match="not 'ill' and one other word"):
        flags(cells, "t", "ill")
    three = column("sick", "well", "dead")
    with pytest.raises(InputError, match="not 'sick' and one other word"):
        flags(three, "t", "sick")
    with pytest.raises(InputError, match="say nothing with --missing, or ask for the kind one"):
        flags(three, "t")
    with pytest.raises(InputError, match=r"holds '1\.05'"):
        flags(column("1.05", "0"), "t")


def test_numbers_are_one_class_only_in_a_column_of_numbers():
    assert class_names(column("1", "1.0", "2.50"), "t") == ["1", "1", "2.50"]
    assert class_names(column("1", "1.0", "x"), "t") == ["1", "1.0", "x"]
    assert ordered(["10", "9", "10"]) == ("9", "10")
    assert ordered(["b", "10", "a"]) == ("10", "a", "b")


def test_classes_that_differ_in_capitals_alone_are_refused():
    with pytest.raises(InputError, match="t: 'AF' and 'af' differ in capitals, blanks or enc"):
        class_names(column("AF", "SR", "af"), "t")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2024-03-01", "2024/3/2", "20240303", "2024.03.04 10:15"], [1, 2, 3, 4]),
        (["01/03/2024", "13/03/2024"], [1, 13]),
        (["03/01/2024", "03/13/2024 12:00"], [1, 13]),
        (["13.3.2024", "2024-03-01T09:00:00Z", date(2024, 3, 2)], [13, 1, 2]),
    ],
)
def test_dates_are_read_in_the_order_that_a_cell_proves(cells, expected):
    march = [date(2024, 3, day) for day in expected]
    assert days(column(*cells), "t") == march


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (["13/03/2024", "03/14/2024"], r"the day stands first in line 2 \(1 .*month in line 3"),
        (["01/02/2024"], r"cannot be told apart, as in line 2 .* --date-format %d/%m/%Y or %m/%d"),
        (["2024-13-01"], r"'2024-13-01' \(line 2\) is no date"),
        (["31/02/2024"], "is no date"),
        (["2024-01-01", "45123"], r"'45123' \(line 3\) is no date \(1 such cells\)"),
        (["01/02/24"], "is no date"),
    ],
)
def test_dates_that_are_open_are_refused(cells, told):
    with pytest.raises(InputError, match=told):
        days(column(*cells), "t")


def test_a_given_form_settles_dates():
    found = days(column("01/02/24", date(2024, 3, 1)), "t", "%d/%m/%y")
    assert found == [date(2024, 2, 1), date(2024, 3, 1)]
    with pytest.raises(InputError, match="no date of the form %d/%m/%y"):
        days(column("2024-02-01"), "t", "%d/%m/%y")


@given(st.dates(date(1900, 1, 1), date(2100, 1, 1)), st.sampled_from(["%d/%m/%Y", "%m-%d-%Y"]))
def test_an_order_is_never_guessed(day, form):
    cell = day.strftime(form)
    if day.day > 12:
        assert days(column(cell), "t") == [day]
    else:
        with pytest.raises(InputError, match="cannot be told apart"):
            days(column(cell), "t")


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_measures_that_are_read_have_a_mean_and_a_deviation(values):
    with suppress(InputError):
        read = measures(column(*values), "t")
        assert read.tolist() == values
        assert np.isfinite([read.mean(), read.std(), *(read**2)]).all()
        assert (read**2 > 0).tolist() == [value != 0 for value in values]


def test_no_cells_are_no_numbers():
    assert numbers(column(), "t").dtype == np.float64
