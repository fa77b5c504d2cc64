"""thread_map: order, bounded work, errors."""

import threading
import time

import pytest

from leukoflow.core.parallel import thread_map


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads):
    def slow_first(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number * number

    assert list(thread_map(slow_first, range(30), threads)) == [number**2 for number in range(30)]


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_is_taken_than_may_be_under_way(threads):
    taken = 0

    def items():
        nonlocal taken
        while taken < 100:
            taken += 1
            yield taken

    for done, _ in enumerate(thread_map(lambda item: item, items(), threads), start=1):
        assert taken - done <= 2 * threads


def test_the_first_error_is_raised_in_its_turn_and_stops_the_rest():
    ran, lock = [], threading.Lock()

    def work(number: int) -> int:
        with lock:
            ran.append(number)
        if number == 5:
            raise ValueError("five")
        return number

    results = []
    with pytest.raises(ValueError, match="five"):
        results.extend(thread_map(work, range(1000), 2))
    assert len(ran) < 20
