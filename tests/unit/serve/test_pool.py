"""The queue is as long as it says and no longer, and books are kept to the byte."""

import asyncio
import threading

import pytest

from leukoflow.serve.pool import FullError, Ledger, Pool


def test_work_beyond_the_queue_is_refused_until_there_is_room() -> None:
    async def scene() -> None:
        pool, gate = Pool(workers=2, queue=3), threading.Event()
        held = [pool.submit(gate.wait, 20) for _ in range(5)]
        assert pool.full and pool.taken == 5
        with pytest.raises(FullError):
            pool.submit(gate.wait)
        gate.set()
        assert await asyncio.gather(*held) == [True] * 5
        assert await pool.submit(sum, [1, 2]) == 3
        pool.close()
        assert pool.taken == 0

    asyncio.run(scene())


def test_no_more_run_at_once_than_there_are_workers() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    async def scene() -> None:
        pool = Pool(workers=3, queue=30)
        await asyncio.gather(*(pool.submit(work) for _ in range(20)))
        pool.close()

    asyncio.run(scene())
    assert most == 3


def test_waiting_work_that_nobody_wants_any_more_is_not_done() -> None:
    done = []

    async def scene() -> None:
        pool, gate = Pool(workers=1, queue=2), threading.Event()
        first = pool.submit(gate.wait, 20)
        second = pool.submit(done.append, "second")
        third = pool.submit(done.append, "third")
        second.cancel()
        await asyncio.sleep(0)
        assert pool.taken == 2  # its place is free again
        gate.set()
        await asyncio.gather(first, third)
        pool.close()

    asyncio.run(scene())
    assert done == ["third"]


def test_short_work_goes_before_long() -> None:
    done: list[str] = []

    async def scene() -> None:
        pool, gate = Pool(workers=1, queue=5), threading.Event()
        held = [pool.submit(gate.wait, 20)]
        held += [
            pool.submit(done.append, name, long=name.startswith("long")) for name in ("long 1", "a", "long 2", "b")
        ]
        gate.set()
        await asyncio.gather(*held)
        pool.close()

    asyncio.run(scene())
    assert done == ["a", "b", "long 1", "long 2"]


def test_what_waits_is_dropped_when_it_closes() -> None:
    async def scene() -> None:
        pool, gate = Pool(workers=1, queue=5), threading.Event()
        first, second = pool.submit(gate.wait, 20), pool.submit(sum, [1])
        threading.Timer(0.2, gate.set).start()
        pool.close()
        assert await first
        with pytest.raises(asyncio.CancelledError):
            await second
        assert pool.taken == 0

    asyncio.run(scene())


def test_a_failure_is_passed_on_and_frees_its_place() -> None:
    async def scene() -> None:
        pool = Pool(workers=1, queue=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await pool.submit(lambda: 1 / 0)
        pool.close()
        with pytest.raises(FullError):
            pool.submit(sum, [1])
        assert pool.taken == 0

    asyncio.run(scene())


def test_closing_finishes_what_has_begun_and_drops_the_rest() -> None:
    done: list[int] = []

    async def scene() -> list[object]:
        pool, begun, gate = Pool(workers=1, queue=5), threading.Event(), threading.Event()

        def work(number: int) -> None:
            begun.set()
            gate.wait(20)
            done.append(number)

        held = [pool.submit(work, number) for number in range(3)]
        assert begun.wait(20)
        threading.Timer(0.05, gate.set).start()
        pool.close()
        return await asyncio.gather(*held, return_exceptions=True)

    results = asyncio.run(scene())
    assert done == [0] and results[0] is None
    assert all(isinstance(result, asyncio.CancelledError) for result in results[1:])


def test_the_ledger_refuses_what_is_too_much_and_gives_all_back() -> None:
    ledger = Ledger(100)
    with ledger.hold() as first, ledger.hold() as second:
        first(60)
        second(40)
        with pytest.raises(FullError):
            second(1)
        assert ledger.held == 100
    assert ledger.held == 0
    with pytest.raises(RuntimeError), ledger.hold() as take:
        take(5)
        raise RuntimeError
    assert ledger.held == 0
