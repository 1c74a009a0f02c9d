"""Work on threads: results in order, errors as they are, torch's threads as they were."""

import threading
import time

import pytest
import torch

from myocard.training.threads import a_thread_each, one_thread


def test_results_come_in_order_whoever_is_first():
    def work(number: int) -> int:
        time.sleep(0.02 * (number % 3 == 0))
        return number * number

    assert list(a_thread_each(work, range(20), 4)) == [number**2 for number in range(20)]


def test_as_many_are_at_work_as_there_are_threads_and_each_is_alone_on_its_own():
    together, threads = threading.Barrier(3, timeout=20), []

    def work(_: int) -> None:
        together.wait()
        threads.append(torch.get_num_threads())

    with one_thread():
        torch.set_num_threads(2)
        list(a_thread_each(work, range(6), 3))
        assert torch.get_num_threads() == 2
    assert threads == [1] * 6


def test_items_are_made_when_they_are_needed():
    made: list[int] = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    results = a_thread_each(lambda number: number, items(), 2)
    next(results)
    assert len(made) <= 4
    results.close()


def test_an_error_ends_the_work():
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    found = []
    with pytest.raises(ValueError, match="three"):
        found += a_thread_each(work, range(10), 2)
    assert torch.get_num_threads() >= 1
