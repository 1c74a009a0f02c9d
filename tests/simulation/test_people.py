"""The people who are recorded, and the findings that they are said to have."""

from collections import Counter

import numpy as np
import pytest

from myocard.data.labels import known
from myocard.simulation import FINDINGS, SITES, entries, simulate
from myocard.simulation.findings import CONDITIONS, RHYTHMS, SINUS, TRANSIENT, possible
from myocard.simulation.people import visit

COUNT = 3000


@pytest.fixture(scope="module", params=sorted(SITES))
def visits(request: pytest.FixtureRequest) -> tuple[str, list]:
    return request.param, [visit(11, index, site=request.param) for index in range(COUNT)]


def test_each_record_has_one_rhythm_and_it_comes_first(visits: tuple[str, list]) -> None:
    for person in visits[1]:
        assert [code for code in person.findings if code in RHYTHMS] == [person.findings[0]]


def test_rhythms_and_conditions_are_as_frequent_as_the_site_says(
    visits: tuple[str, list],
) -> None:
    name, people = visits
    site = SITES[name]
    # One record a patient, so that the draws are independent.
    people = list({person.patient: person for person in people}.values())
    for code, chance in site.rhythms.items():
        _assert_frequency(chance, [person.rhythm == code for person in people])
    for code, chance in site.conditions.items():
        drawn_before = list(CONDITIONS)[: list(CONDITIONS).index(code)]
        eligible = [
            person.findings
            for person in people
            if possible(code, tuple({*RHYTHMS, *drawn_before} & {*person.findings}))
        ]
        _assert_frequency(chance, [code in findings for findings in eligible])


def _assert_frequency(chance: float, drawn: list[bool]) -> None:
    deviation = np.sqrt(chance * (1 - chance) / len(drawn))
    assert abs(np.mean(drawn) - chance) < 4 * deviation


def test_normal_means_a_sinus_rhythm_and_nothing_else(visits: tuple[str, list]) -> None:
    for person in visits[1]:
        abnormal = set(person.findings) - SINUS - {"NORM"}
        assert ("NORM" in person.findings) is not bool(abnormal)


def test_findings_that_exclude_each_other_never_meet(visits: tuple[str, list]) -> None:
    for person in visits[1]:
        for code in set(person.findings) & set(CONDITIONS):
            assert CONDITIONS[code].excludes.isdisjoint(person.findings)


def test_every_tenth_record_is_a_return_of_the_same_patient(visits: tuple[str, list]) -> None:
    people = visits[1]
    assert len({person.patient for person in people}) == 0.9 * COUNT
    by_patient: dict[int, list] = {}
    for person in people:
        by_patient.setdefault(person.patient, []).append(person)
    for first, *later in by_patient.values():
        for other in later:
            assert (other.age, other.sex, other.rhythm) == (first.age, first.sex, first.rhythm)
            changed = set(other.findings) ^ set(first.findings)
            assert changed <= TRANSIENT | {"NORM"}


def test_return_visits_are_new_recordings() -> None:
    first = next(index for index in range(9) if _patient(index) == _patient(9))
    hashes = {simulate(11, index, rate=100.0).record.sha256 for index in (first, 9)}
    assert len(hashes) == 2


def _patient(index: int) -> int:
    return visit(11, index, site="A").patient


def test_entries_say_what_the_records_show() -> None:
    for index, entry in enumerate(entries(30, 5, rate=100.0, site="B")):
        simulated = simulate(5, index, rate=100.0, site="B")
        assert entry.read().sha256 == simulated.record.sha256
        assert entry.codes == tuple(f"scp:{code}" for code in simulated.findings)
        assert (entry.age, entry.sex) == (simulated.age, simulated.sex)
        assert (entry.site, entry.device) == ("B", SITES["B"].device)


def test_folds_keep_patients_together_and_are_of_like_size() -> None:
    found = entries(1000, 5)
    folds: dict[str, set[int | None]] = {}
    for entry in found:
        folds.setdefault(entry.patient, set()).add(entry.fold)
    assert all(len(of_patient) == 1 for of_patient in folds.values())
    sizes = Counter(entry.fold for entry in found)
    assert sorted(sizes) == list(range(1, 11))
    assert max(sizes.values()) < 1.3 * min(sizes.values())


def test_fewer_entries_are_the_first_of_more() -> None:
    few, more = entries(5, 1), entries(50, 1)
    assert [(entry.id, entry.codes) for entry in few] == [
        (entry.id, entry.codes) for entry in more[:5]
    ]


@pytest.mark.parametrize("code", FINDINGS)
def test_every_name_of_a_finding_is_known_to_the_label_tables(code: str) -> None:
    finding = FINDINGS[code]
    assert known(f"scp:{code}")
    if finding.snomed is not None:
        assert known(f"snomed:{finding.snomed}")
    if finding.chapman is not None:
        scheme = "chapman" if code in RHYTHMS else "chapman-beat"
        assert known(f"{scheme}:{finding.chapman}")
