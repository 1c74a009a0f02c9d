"""Ids of a table find their records one to one, or not at all."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from myocard.tasks.own.matching import ENDINGS, RULES, match


@pytest.mark.parametrize(
    ("here", "there", "rule"),
    [
        ("17", "17", "exact"),
        ("ab", "AB", "capitals, blanks and encoding"),
        ("a/b/17", "17", "last part of the path"),
        ("17", "c\\17", "last part of the path"),
        ("17.hea", "17", "ending"),
        ("17.mat", "x/17.HEA", "ending"),
        ("17.0", "17", "ending"),
        ("0017", "17", "leading zeros"),
        ("17", "p/0017.npy", "leading zeros"),
        ("000", "0", "leading zeros"),
    ],
)
def test_an_id_is_found_by_the_first_rule_that_does(here, there, rule):
    found = match([here, "other"], ["else", there])
    assert found.records.tolist() == [1, -1]
    assert found.rules.tolist() == [rule, ""]
    assert not found.ambiguous.any()


@pytest.mark.parametrize(
    ("ids", "names"),
    [
        (["7", "007"], ["0007"]),
        (["a.hea"], ["a.mat", "a.dat"]),
        (["a/x", "b/x"], ["x"]),
        (["A"], ["a", "a"]),
    ],
)
def test_what_would_be_two_is_ambiguous(ids, names):
    found = match(ids, names)
    assert (found.records == -1).all()
    assert found.ambiguous.all()
    assert found.ambiguous_records.all()


def test_what_was_told_apart_is_not_joined_by_a_later_rule():
    found = match(["7", "007"], ["7", "12"])
    assert found.records.tolist() == [0, -1]
    assert found.ambiguous.tolist() == [False, True]
    assert not found.ambiguous_records.any()


def test_an_ending_that_is_unknown_is_part_of_the_id():
    assert match(["a.v2"], ["a"]).records.tolist() == [-1]
    assert match([".hea"], [".dat"]).records.tolist() == [-1]


NAMES = st.text(alphabet="aA0/. 1", min_size=1, max_size=5) | st.from_regex(
    r"(a/)?0?[12](\.hea|\.mat)?", fullmatch=True
)


@given(st.lists(NAMES, unique=True, max_size=8), st.lists(NAMES, max_size=8))
def test_no_id_has_two_records_and_no_record_two_ids(ids, names):
    found = match(ids, names)
    used = Counter(found.records[found.records >= 0].tolist())
    assert max(used.values(), default=1) == 1
    assert not (found.ambiguous & (found.records >= 0)).any()
    assert not found.ambiguous_records[list(used)].any()
    for name, record in zip(ids, found.records, strict=True):
        if record >= 0:
            simplified = [name, names[record]]
            for rule in RULES.values():
                simplified = [rule(each) for each in simplified]
            assert simplified[0] == simplified[1]
        if name in names:
            assert record == (names.index(name) if names.count(name) == 1 else -1)


@given(
    st.lists(st.integers(1, 500), unique=True, min_size=1, max_size=30),
    st.sampled_from(["", "0", "00"]),
    st.sampled_from(["", *ENDINGS]),
    st.sampled_from(["", "records/a/", "C:\\ecg\\"]),
    st.booleans(),
)
def test_any_decoration_of_all_ids_alike_is_seen_through(numbers, zeros, ending, folder, upper):
    names = [str(number) for number in numbers]
    ids = [f"{folder}{zeros}{name}{ending}" for name in names]
    found = match([name.upper() if upper else name for name in ids], names)
    assert found.records.tolist() == list(range(len(names)))
