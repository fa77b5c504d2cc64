"""The service behind a real server: slow and leaving clients, many at once, and being told to stop."""

import asyncio
import json
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import psutil
import pytest
from fake_service import CLASSES, FakeModel, app, png, process, served, shares_of, smear

from leukoflow.serve.connections import PunctualProtocol

ASK = "/api/models/colours/answer"
HEAD = f"POST {ASK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as link:
        yield link


def status(link: socket.socket) -> int:
    """Of the reply that comes; 0 if the connection is closed without one."""
    start = link.recv(64)
    return int(start.split()[1]) if start else 0


def number(address: str, name: str) -> float:
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return float(next(line for line in lines if line.startswith(name + " ")).split()[1])


def until(true: object, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


def test_an_upload_that_stalls_or_dribbles_ends_in_time_and_holds_nothing() -> None:
    with served(app(upload_seconds=2.5)) as address, connected(address) as stalled, connected(address) as dribbling:
        stalled.sendall(f"{HEAD}Content-Length: 5000\r\n\r\n".encode() + bytes(1000))
        dribbling.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
        started = time.monotonic()
        until(lambda: number(address, "leukoflow_held_bytes") >= 1000)
        while time.monotonic() < started + 2:
            dribbling.sendall(b"1\r\nx\r\n")
            time.sleep(0.05)
        assert status(stalled) == status(dribbling) == 408
        assert 2 < time.monotonic() - started < 15
        assert number(address, "leukoflow_held_bytes") == 0


def test_a_client_that_leaves_in_the_middle_holds_nothing() -> None:
    with served(app()) as address:
        with connected(address) as link:
            link.sendall(f"{HEAD}Content-Length: 5000\r\n\r\n".encode() + bytes(1000))
            until(lambda: number(address, "leukoflow_held_bytes") > 0)
        until(lambda: number(address, "leukoflow_held_bytes") == 0)
        assert httpx.post(address + ASK, content=png(smear())).status_code == 200


def test_a_lying_length_is_refused_at_once_and_an_endless_body_at_the_limit() -> None:
    with served(app(max_bytes=100_000)) as address:
        with connected(address) as link:
            link.sendall(f"{HEAD}Content-Length: 99999999999\r\n\r\n".encode())
            assert status(link) == 413
        with connected(address) as link:
            link.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(11):
                link.sendall(b"2710\r\n" + bytes(10_000) + b"\r\n")
            assert status(link) == 413


def test_headers_without_end_are_refused() -> None:
    with process() as (_, address), connected(address) as link:
        link.sendall(f"{HEAD}X-Long: ".encode() + b"x" * 40_000)
        assert status(link) == 400


def test_connections_that_never_finish_their_headers_are_closed() -> None:
    class Impatient(PunctualProtocol):
        header_seconds = 0.5

    with served(app(), http=Impatient) as address, connected(address) as silent, connected(address) as dribbling:
        started = time.monotonic()
        second = connected(address)
        with second as asking_again, pytest.raises(OSError):
            asking_again.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert status(asking_again) == 200
            while time.monotonic() < started + 20:
                for link in (dribbling, asking_again):
                    link.sendall(b"G")
                time.sleep(0.1)
        assert silent.recv(1) == b""


def test_a_slow_upload_is_not_cut_off_with_its_headers_complete() -> None:
    class Impatient(PunctualProtocol):
        header_seconds = 0.3

    data = png(smear())
    with served(app(), http=Impatient) as address, connected(address) as link:
        link.sendall(f"{HEAD}Content-Length: {len(data)}\r\n\r\n".encode() + data[:10])
        time.sleep(1)
        link.sendall(data[10:])
        assert status(link) == 200


def test_uploads_together_hold_no_more_than_allowed() -> None:
    with served(app(held_bytes=10_000)) as address, connected(address) as link:
        link.sendall(f"{HEAD}Content-Length: 9000\r\n\r\n".encode() + bytes(8000))
        until(lambda: number(address, "leukoflow_held_bytes") == 8000)
        reply = httpx.post(address + ASK, content=bytes(3000))
        assert reply.status_code == 429 and int(reply.headers["retry-after"]) >= 1


def test_a_full_queue_is_said_at_once_and_not_waited_for() -> None:
    model = FakeModel(gate=threading.Event())

    async def ask(address: str) -> list[int]:
        codes: list[int] = []
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=20), timeout=30) as client:

            async def one() -> None:
                reply = await client.post(address + ASK, content=png(smear()))
                assert reply.status_code == 200 or int(reply.headers["retry-after"]) >= 1
                codes.append(reply.status_code)
                if len(codes) == 7:
                    model.gate.set()

            await asyncio.gather(*(one() for _ in range(12)))
        return codes

    with served(app(model, workers=2, queue=3)) as address:
        assert asyncio.run(ask(address)) == [429] * 7 + [200] * 5
    assert model.calls == 5


def test_the_event_loop_stays_free_while_images_are_looked_at() -> None:
    model = FakeModel(gate=threading.Event())
    with served(app(model, workers=2)) as address:
        asking = [
            threading.Thread(
                target=httpx.post, args=(address + ASK,), kwargs={"content": png(smear(seed)), "timeout": 60}
            )
            for seed in range(2)
        ]
        for thread in asking:
            thread.start()
        until(lambda: number(address, "leukoflow_images_in_work") == 2)
        assert httpx.get(f"{address}/health").status_code == 200
        assert number(address, "leukoflow_images_in_work") == 2
        model.gate.set()
        for thread in asking:
            thread.join()


def test_an_answer_that_takes_too_long_is_given_up() -> None:
    model = FakeModel(gate=threading.Event())
    with served(app(model, answer_seconds=0.2)) as address:
        assert httpx.post(address + ASK, content=png(smear())).status_code == 504
        model.gate.set()


def test_images_of_clients_that_left_are_not_looked_at() -> None:
    slow = FakeModel(gate=threading.Event())
    with served(app(slow, workers=1, queue=5)) as address:
        first = threading.Thread(
            target=httpx.post, args=(address + ASK,), kwargs={"content": png(smear()), "timeout": 60}
        )
        first.start()
        until(lambda: slow.calls == 1)
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                httpx.post(address + ASK, content=png(smear()), timeout=0.3)
        until(lambda: number(address, "leukoflow_images_in_work") == 1)
        slow.gate.set()
        first.join()
        until(lambda: number(address, "leukoflow_images_in_work") == 0)
    assert slow.calls == 1


def test_200_clients_at_once_get_right_answers_or_are_asked_to_wait() -> None:
    pictures = {seed: png(smear(seed, 48, 64)) for seed in range(200)}
    refused = 0

    async def ask(host: str, port: str) -> dict[int, list[float]]:
        async def one(seed: int) -> tuple[int, list[float]]:
            nonlocal refused
            head = f"{HEAD}Connection: close\r\nContent-Length: {len(pictures[seed])}\r\n\r\n"
            while True:
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(head.encode() + pictures[seed])
                start, _, body = (await reader.read()).partition(b"\r\n\r\n")
                writer.close()
                if start.startswith(b"HTTP/1.1 200"):
                    return seed, [share["probability"] for share in json.loads(body)["classes"]]
                assert start.startswith(b"HTTP/1.1 429"), start
                refused += 1
                await asyncio.sleep(0.2 * (1 + seed % 7))

        return dict(await asyncio.gather(*map(one, pictures)))

    with served(app(FakeModel(seconds=0.002), workers=2, queue=16)) as address:
        answers = asyncio.run(ask(*address.removeprefix("http://").split(":")))
        assert number(address, "leukoflow_images_in_work") == number(address, "leukoflow_held_bytes") == 0
    assert refused > 0
    for seed, shares in answers.items():
        np.testing.assert_allclose(shares, shares_of(smear(seed, 48, 64).reshape(-1, 3).mean(0)), atol=1e-6)
    assert len({CLASSES[int(np.argmax(answer))] for answer in answers.values()}) > 1


def test_told_to_stop_it_finishes_what_has_begun_and_takes_nothing_new() -> None:
    with process() as (running, address):
        with connected(address) as link:
            data = png(smear())
            link.sendall(f"{HEAD}Content-Length: {len(data)}\r\n\r\n".encode() + data[:100])
            until(lambda: number(address, "leukoflow_held_bytes") > 0)
            running.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            with pytest.raises(OSError), connected(address):
                pass
            link.sendall(data[100:])
            assert status(link) == 200
        assert running.wait(10) in (0, -signal.SIGTERM)
        assert running.stderr
        log = [json.loads(line) for line in running.stderr]
    assert [entry["status"] for entry in log if entry.get("route", "").endswith("answer")] == [200]


def test_a_taken_port_is_an_error_that_names_it() -> None:
    from leukoflow.core.errors import LeukoFlowError
    from leukoflow.serve.app import listen

    with listen("127.0.0.1", 0) as taken, pytest.raises(LeukoFlowError, match="--port"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(LeukoFlowError, match=r"no\.such\.host"):
        listen("no.such.host.invalid", 0)


def test_connections_send_what_they_have_at_once() -> None:
    from leukoflow.serve.app import listen

    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        connection, _ = listening.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
def test_memory_stays_flat_over_5000_requests() -> None:
    """Good images, bad ones, refused parameters and broken uploads, of sizes that change."""
    pictures = [png(smear(seed, 60 + 10 * (seed % 8), 80 + 12 * (seed % 7))) for seed in range(50)]
    pictures += [pictures[0][:-50], b"", b"<html>", bytes(1000)]
    options = {"cells": True, "heat": True, "neighbours": 5, "picture": True}
    with process() as (running, address), httpx.Client(timeout=60) as client:
        threading.Thread(target=lambda: [None for _ in running.stderr or ()], daemon=True).start()
        server, memory = psutil.Process(running.pid), []
        for index in range(5000):
            reply = client.post(address + ASK, content=pictures[index % len(pictures)], params=options)
            assert reply.status_code in (200, 422)
            if index % 500 == 499:
                memory.append(server.memory_info().rss / 2**20)
        files = server.num_fds()
    print(f"MiB after each 500 requests: {[round(size, 1) for size in memory]}; {files} open files")
    assert max(memory[2:]) - memory[1] < 8
    assert files < 40
