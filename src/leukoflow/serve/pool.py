"""Worker threads behind a queue that cannot grow, and a ledger of the bytes that uploads hold.

ONNX Runtime and OpenCV let go of Python's lock while they work, so threads are enough to keep the cores busy and the
event loop free.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class FullError(Exception):
    """No room now: try again."""


class Pool:
    """`workers` threads, and room for `queue` more pieces of work to wait: short ones are done first."""

    def __init__(self, workers: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix="answer")
        self._room = workers + queue
        self._taken = 0
        self._lock = threading.Lock()
        self._short: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._long: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    @property
    def taken(self) -> int:
        """Pieces of work that wait or run."""
        return self._taken

    @property
    def full(self) -> bool:
        """Whether nothing more would be taken now."""
        return self._taken >= self._room

    def submit(self, work: Callable[[*Ts], T], *args: *Ts, long: bool = False) -> "asyncio.Future[T]":
        """Queue a piece of work; cancelling what is returned takes it out again if it has not begun.

        long: waits until no short one does. Raises FullError if the queue is full. Work that has begun keeps its
        place until it is done, waited for or not.
        """
        future: Future[T] = Future()
        with self._lock:
            if self.full:
                raise FullError
            self._taken += 1
            (self._long if long else self._short).append((future, partial(work, *args)))
        future.add_done_callback(self._leave)
        try:
            self._executor.submit(self._next)
        except RuntimeError as error:  # shutting down
            future.cancel()
            raise FullError from error
        return asyncio.wrap_future(future)

    def close(self) -> None:
        """Finish what has begun, drop what waits."""
        self._executor.shutdown(wait=True, cancel_futures=True)
        for future, _ in (*self._short, *self._long):
            future.cancel()

    def _next(self) -> None:
        with self._lock:
            future, work = (self._short or self._long).popleft()
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    def _leave(self, _future: "Future[Any]") -> None:
        with self._lock:
            self._taken -= 1


@dataclass
class Ledger:
    """Bytes of uploads held in memory. Used from the event loop alone."""

    limit: int
    held: int = 0

    @contextmanager
    def hold(self) -> Iterator[Callable[[int], None]]:
        """A function that books bytes until the block is left. It raises FullError if they would be too many."""
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
