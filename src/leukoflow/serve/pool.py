"""Worker threads behind a queue that cannot grow, and a ledger of the bytes that uploads hold.

ONNX Runtime and OpenCV let go of Python's lock while they work, so threads are enough to keep the cores busy and the
event loop free.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class FullError(Exception):
    """No room now: try again."""


class Pool:
    """`workers` threads, and room for `queue` more pieces of work to wait."""

    def __init__(self, workers: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="answer")
        self._room = workers + queue
        self._taken = 0
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """Pieces of work that wait or run."""
        return self._taken

    @property
    def full(self) -> bool:
        """Whether nothing more would be taken now."""
        return self._taken >= self._room

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> "asyncio.Future[T]":
        """Queue a piece of work; cancelling what is returned takes it out again if it has not begun.

        Raises FullError where the queue is full. Work that has begun keeps its place until it is done, waited for or
        not.
        """
        with self._lock:
            if self.full:
                raise FullError
            self._taken += 1
        try:
            future = self._executor.submit(work, *args, **kwargs)
        except RuntimeError as error:  # shutting down
            self._leave()
            raise FullError from error
        future.add_done_callback(self._leave)
        return asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what has begun, drop what waits."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _leave(self, _future: "Future[T] | None" = None) -> None:
        with self._lock:
            self._taken -= 1


@dataclass
class Ledger:
    """Bytes of uploads held in memory. Used from the event loop alone."""

    limit: int
    held: int = 0

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """A function that books bytes until the block is left. It raises FullError where they would be too many."""
        mine = 0

        def take(count: int) -> None:
            nonlocal mine
            if self.held + count > self.limit:
                raise FullError
            self.held += count
            mine += count

        try:
            yield take
        finally:
            self.held -= mine
