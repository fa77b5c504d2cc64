"""Work side by side whose results come in order: threads for what releases the interpreter's lock, such as decoding."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def thread_map(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Results in the order of the items, with at most 2 * threads of them under way or waiting, so memory is bounded.

    The first exception is raised in its turn; what has not started by then never does.
    """
    if threads <= 1:
        yield from map(function, items)
        return
    yield from in_order(ThreadPoolExecutor(threads), function, items, 2 * threads)


def in_order(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], most: int) -> Iterator[Result]:
    """Results of a pool in the order of the items, with at most `most` under way or waiting; then it is shut down."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= most:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
