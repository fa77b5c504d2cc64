"""How long the page waits: `leukoflow serve` in a process of its own, clients that ask one image after the other.

python tests/benchmarks/serve.py results/demo/export [--images FOLDER] [--clients 8] [--requests 400]

Without --images it sends synthetic smears of 224 x 224 pixels. `plain` is the class alone; `page` is what the page
does: it shows the answer (with heat, quality and nearest training images), then asks for the cells. The server and the
clients share the machine's cores; --server-cores 0,1 keeps the server to some of them.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import httpx
import numpy as np
import psutil

Request = dict[str, object]
KINDS: dict[str, dict[str, Request]] = {
    "plain": {"answer": {}},
    "page": {"answer": {"heat": True, "neighbours": 5, "picture": True}, "cells": {"cells": True}},
}
SERVER = """
import argparse, os, sys
from leukoflow.serve.app import main
from leukoflow.serve.options import add_options
parser = argparse.ArgumentParser()
add_options(parser)
sys.exit(main(parser.parse_args()))
"""


def synthetic(count: int) -> list[bytes]:
    """JPEG files of drawn smears, 224 x 224."""
    from leukoflow.cohorts.synthetic import draw, plan, rows
    from leukoflow.config.cohorts import SyntheticCohort

    cohort = SyntheticCohort.model_validate({"kind": "synthetic", "images": count, "patients": 8, "size": 224})
    pictures = [draw(cohort, row).image for row in rows(plan(cohort))]
    return [cv2.imencode(".jpg", picture[:, :, ::-1])[1].tobytes() for picture in pictures]


def folder(path: Path, count: int) -> list[bytes]:
    """Image files of a folder, evenly spaced."""
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp", ".tif"))
    return [file.read_bytes() for file in files[:: max(1, len(files) // count)][:count]]


def cpu_seconds(process: int) -> float:
    """That a process has used; what other programs use does not count."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


def ask(url: str, pictures: list[bytes], kind: dict[str, Request], clients: int, images: int) -> dict[str, np.ndarray]:
    """Seconds of each request that so many images take, one after the other by each client: float [images] each."""
    seconds: dict[str, list[float]] = {name: [] for name in kind}
    numbers, lock = iter(range(images)), threading.Lock()

    def client() -> None:
        with httpx.Client(timeout=120) as asking:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                for name, options in kind.items():
                    started = time.perf_counter()
                    reply = asking.post(url, content=pictures[number % len(pictures)], params=options)
                    spent = time.perf_counter() - started
                    if reply.status_code != 200:
                        raise SystemExit(f"{reply.status_code}: {reply.text}")
                    with lock:
                        seconds[name].append(spent)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if any(len(times) != images for times in seconds.values()):
        raise SystemExit("some requests failed")
    return {name: np.array(times) for name, times in seconds.items()}


def main() -> int:
    """Print a table: for each model and kind of request, for one client and for many."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--server-cores", type=str, default="")
    parser.add_argument("--int8", action="store_true")
    args = parser.parse_args()
    pictures = folder(args.images, 64) if args.images else synthetic(64)
    command = [sys.executable, "-c", SERVER, *args.models, "--port", "0", *(["--int8"] if args.int8 else [])]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout
        match = re.search(r"http://\S+", server.stdout.readline())
        if not match:
            raise SystemExit("the service did not start")
        if args.server_cores:
            os.sched_setaffinity(server.pid, {int(core) for core in args.server_cores.split(",")})
        address = match.group()
        print(
            "model                     request       clients   p50 ms   p95 ms   largest   images/s   CPU ms an image"
        )
        for model in httpx.get(f"{address}/api/models").json()["models"]:
            url = f"{address}/api/models/{model['name']}/answer"
            for kind, requests in KINDS.items():
                ask(url, pictures, requests, 2, 10)
                for clients, images in ((1, args.requests // 4), (args.clients, args.requests)):
                    started, before = time.perf_counter(), cpu_seconds(server.pid)
                    spent = ask(url, pictures, requests, clients, images)
                    rate = images / (time.perf_counter() - started)
                    work = 1000 * (cpu_seconds(server.pid) - before) / images
                    for name, times in spent.items():
                        middle, most, largest = 1000 * np.percentile(times, [50, 95, 100])
                        line = f"{model['name']:24}  {f'{kind}, {name}':14}  {clients:5}  {middle:7.1f}  {most:7.1f}"
                        print(f"{line}  {largest:8.1f}  {rate:9.1f}  {work:16.1f}", flush=True)
    finally:
        server.terminate()
        server.wait(30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
