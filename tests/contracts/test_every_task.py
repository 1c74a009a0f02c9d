"""The promises of every registered task."""

import pytest

from myocard.data.labels import known
from myocard.tasks.task import TASKS, CodedTask


@pytest.fixture(params=TASKS)
def task(request) -> CodedTask:
    return TASKS[request.param]


def test_it_goes_by_its_name(task: CodedTask) -> None:
    assert TASKS[task.name] is task


def test_its_classes_are_sorted_and_each_has_a_code(task: CodedTask) -> None:
    assert list(task.classes) == sorted(set(task.classes))
    assert {name for classes in task.class_of.values() for name in classes} == set(task.classes)


def test_its_codes_are_in_the_tables(task: CodedTask) -> None:
    assert [code for code in task.class_of if not known(code)] == []


def test_each_code_alone_gives_exactly_its_classes(task: CodedTask) -> None:
    targets, kept = task.targets([(code,) for code in task.class_of])
    assert kept.all()
    for row, classes in zip(targets, task.class_of.values(), strict=True):
        assert {task.classes[i] for i in row.nonzero()[0]} == set(classes)


def test_foreign_codes_change_nothing(task: CodedTask) -> None:
    alone = [code for code in task.class_of if code not in task.alone]
    with_foreign, _ = task.targets([(code, "foreign:code") for code in alone])
    without, _ = task.targets([(code,) for code in alone])
    assert (with_foreign == without).all()


def test_a_code_that_must_stand_alone_does_not_count_beside_another(task: CodedTask) -> None:
    targets, kept = task.targets([(code, "foreign:code") for code in task.alone])
    assert not targets.any()
    assert not kept.any()


def test_the_rows_it_keeps_have_one_class_or_more(task: CodedTask) -> None:
    codes = list(task.class_of)
    targets, kept = task.targets([(), codes[:1], codes])
    counts = targets[kept].sum(axis=1)
    assert (counts == 1).all() if task.exclusive else (counts >= 1).all()
    assert kept.tolist() == [False, True, not task.exclusive]
