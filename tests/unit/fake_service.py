"""Models that need no network, the service around them, and pictures to send to it."""

import argparse
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from leukoflow.runtime.answers import Answer, Cell, HeatMap, Neighbour, RankedFeature, Reason
from leukoflow.runtime.schema import Export, Range
from leukoflow.serve import app as serve_app
from leukoflow.serve.connections import PunctualProtocol
from leukoflow.serve.models import ServedModel
from leukoflow.serve.options import Settings, add_options

CLASSES = ("Benign", "Early", "Pre", "Pro")
FINDINGS = (
    "Colours alone reach 97 % on the same images.",
    "12 of 96 test images have a duplicate among those trained on.",
    "In the stain of another class it is right 30 % of the time.",
    "Scale bars go with the class.",
)
CARD = (
    "<h3>Intended use</h3><p>Trying the page.</p><table><tbody><tr><td>accuracy</td><td>91 %</td></tr></tbody></table>"
)


def shares_of(colour: np.ndarray, sharpness: float = 1.0) -> np.ndarray:
    """What a fake model answers: a softmax over the mean red, green and blue of the picture, and their mean."""
    logits = sharpness * np.array([*colour, colour.mean()]) / 16
    shares = np.exp(logits - logits.max())
    return np.asarray(shares / shares.sum())


class FakeModel:
    """Answers by the mean colour of an image; abstains if all of it has one colour."""

    def __init__(
        self,
        name: str = "colours",
        sharpness: float = 1.0,
        seconds: float = 0.0,
        study: str = "demo",
        gate: threading.Event | None = None,
        cell_gate: threading.Event | None = None,
    ) -> None:
        """`gate`: answers wait until it is set; `cell_gate`: those with cells."""
        self.sharpness, self.seconds = sharpness, seconds
        self.gate, self.cell_gate = gate, cell_gate
        self.calls = 0
        self.facts = Export.model_construct(
            name=name,
            title=f"Mean {name}",
            study=study,
            cohort="demo",
            task="subtype",
            classes=CLASSES,
            findings=FINDINGS,
            quality={"exposure": Range(low=0.2, high=0.9, words="mean brightness")},
            attention="Weights of a fake." if name == "colours" else "",
            inside={"stem": "Firing rate"} if name == "sharp" else {},
        )

    def _maps(self, warmth: np.ndarray) -> tuple[HeatMap, ...]:
        """One map; of `colours` also one that is hot elsewhere."""
        first = HeatMap("gradcam", "Grad-CAM", "Where the last maps weigh in.", warmth)
        other = HeatMap("attention", "Spatial gate", "A gate over positions.", warmth[:, ::-1].copy())
        return (first, other) if self.facts.name == "colours" else (first,)

    def _ranked(self) -> tuple[RankedFeature, ...]:
        """Features of `colours`, the one with the most attention first."""
        if self.facts.name != "colours":
            return ()
        weights = (0.4, 0.25, 0.1)
        return tuple(
            RankedFeature(f"1_convnext_atto_{n:04d}", n + 3, 1.5 - n, weight, 0.2 * n - 0.1)
            for n, weight in enumerate(weights)
        )

    def answer(self, image: np.ndarray, *, cells: bool, heat: bool, neighbours: int) -> Answer:
        self.calls += 1
        time.sleep(self.seconds)
        for gate in (self.gate, self.cell_gate if cells else None):
            assert gate is None or gate.wait(60)
        height, width = image.shape[:2]
        shares = shares_of(image.reshape(-1, 3).mean(0), self.sharpness)
        exposure = float(image.mean() / 255)
        flat = bool(image.reshape(-1, 3).std(0).max() < 1)
        reasons = [Reason("quality", "Poor or unusual picture: it has one colour only.")] if flat else []
        ordered = np.sort(shares)[::-1]
        kept = [name for name, share in zip(CLASSES, shares, strict=True) if share >= ordered[1]]
        white_cells = tuple(
            Cell(_circle(x * width, 0.5 * height, 0.12 * width), _circle(x * width, 0.5 * height, 0.06 * width), facts)
            for x, facts in (
                (0.3, {"area_um2": 113.1, "nucleus_share": 0.25, "x": 0.3 * width, "y": 0.5 * height}),
                (0.7, {"area_um2": 98.2, "nucleus_share": float("nan"), "x": 0.7 * width, "y": 0.5 * height}),
            )
        )
        y, x = np.mgrid[:14, :14] / 13
        warmth = np.exp(-8 * ((x - 0.3) ** 2 + (y - 0.5) ** 2)).astype(np.float32)
        example = cv2.imencode(".jpg", np.full((48, 48, 3), (180, 120, 200), np.uint8))[1].tobytes()
        return Answer(
            classes=CLASSES,
            probabilities=tuple(shares.tolist()),
            label=CLASSES[int(shares.argmax())],
            conformal=tuple(kept),
            coverage=0.9,
            reasons=tuple(reasons),
            quality={"exposure": (exposure, 0.2, 0.9)},
            novelty=3.2,
            novelty_limit=float("inf"),
            cells=white_cells if cells and not flat else (),
            maps=self._maps(warmth) if heat else (),
            ranked=self._ranked() if heat else (),
            inside={"stem": 0.25} if heat and self.facts.inside else {},
            neighbours=tuple(Neighbour(CLASSES[n % 4], 0.1 * (n + 1), example) for n in range(neighbours)),
            milliseconds={"network": 1000 * self.seconds},
        )


def _circle(x: float, y: float, radius: float) -> tuple[tuple[float, float], ...]:
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return tuple((float(x + radius * np.cos(t)), float(y + radius * np.sin(t))) for t in turns)


def served_by_name(*models: FakeModel) -> dict[str, ServedModel]:
    """Models by name."""
    return {model.facts.name: ServedModel(model, CARD) for model in models or (FakeModel(), FakeModel("sharp", 3.0))}


def app(*models: FakeModel, **settings: Any) -> FastAPI:
    """The application around fake models; it is addressed as `testserver`."""
    return serve_app.create_app(
        Settings(**{"hosts": ("testserver", "localhost", "127.0.0.1")} | settings), served_by_name(*models)
    )


def client(*models: FakeModel, **settings: Any) -> TestClient:
    """Asks the application without a network."""
    return TestClient(app(*models, **settings), raise_server_exceptions=False)


def smear(seed: int = 0, height: int = 96, width: int = 128) -> np.ndarray:
    """RGB uint8 [height, width, 3]: two dark discs on a pale ground of a colour that goes with the seed."""
    random = np.random.default_rng(seed)
    picture = np.empty((height, width, 3))
    picture[:] = random.uniform(170, 245, 3)
    picture += random.normal(0, 3, picture.shape)
    y, x = np.mgrid[:height, :width]
    for middle in (0.3, 0.7):
        distance = np.hypot(x - middle * width, y - 0.5 * height)
        picture[distance < 0.12 * width] = (190, 150, 205)
        picture[distance < 0.06 * width] = (95, 60, 140)
    return np.clip(picture, 0, 255).astype(np.uint8)


def png(picture: np.ndarray) -> bytes:
    """PNG file of an RGB picture."""
    return cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()


@contextmanager
def served(application: FastAPI, **options: Any) -> Iterator[str]:
    """The application behind a real server on a port of its own; yields its address."""
    config = uvicorn.Config(
        application, port=0, log_config=None, access_log=False, ws="none", **{"http": PunctualProtocol} | options
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until, "the server did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)


def main() -> int:
    """`leukoflow serve` as it is, with fake models for exported ones: options as words, a folder of fakes first."""
    parser = argparse.ArgumentParser()
    add_options(parser)
    args = parser.parse_args()
    served_models = served_by_name()
    with patch.multiple(serve_app, find_exports=lambda paths: paths, open_models=lambda folders, int8: served_models):
        return serve_app.main(args)


@contextmanager
def process(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`main` in a process of its own; yields it and its address."""
    command = [sys.executable, __file__, "fakes", "--port", "0", *words]
    source = Path(serve_app.__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            assert running.stdout
            line = running.stdout.readline()
            match = re.search(r"http://\S+", line)
            assert match, line + (running.stderr.read() if running.stderr else "")
            yield running, match.group()
        finally:
            if running.poll() is None:
                running.kill()


if __name__ == "__main__":
    sys.exit(main())
