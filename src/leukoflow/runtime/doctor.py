"""Whether an installation can answer: packages, decoding, ONNX Runtime, an exported model."""

import os
import platform
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryFile

import cv2
import numpy as np

import leukoflow
from leukoflow.core.errors import LeukoFlowError
from leukoflow.runtime.images import read_image
from leukoflow.runtime.model import open_model

NEEDED = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic", "safetensors", "tqdm")
OPTIONAL = {"pipeline": ("torch", "snakemake", "onnx"), "serve": ("fastapi", "uvicorn")}
"""Packages by the extra that brings them."""
Line = tuple[bool | None, str]
"""Good, bad or neither, and what is said."""


def checks(model: Path | None) -> Iterator[Line]:
    """What is found, line by line."""
    yield (
        sys.version_info >= (3, 11),
        f"Python {platform.python_version()} on {platform.system()} {platform.machine()} (3.11 or later is needed)",
    )
    yield None, f"LeukoFlow {leukoflow.__version__}, {len(os.sched_getaffinity(0))} cores"
    for name in NEEDED:
        version = _version(name)
        yield version is not None, f"{name} {version or 'is missing; install it with pip install leukoflow'}"
    for extra, names in OPTIONAL.items():
        there = [name for name in names if _version(name)]
        words = "installed" if len(there) == len(names) else f"not installed (pip install 'leukoflow[{extra}]')"
        yield None, f"extra {extra}: {words}"
    yield _decodes()
    yield _writes()
    if model is not None:
        yield from _answers(model)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _picture() -> np.ndarray:
    """A pale picture with a dark disc: uint8 [224, 224, 3]."""
    picture = np.full((224, 224, 3), (235, 220, 230), np.uint8)
    return cv2.circle(picture, (112, 112), 40, (110, 60, 140), cv2.FILLED)


def _decodes() -> Line:
    picture = _picture()
    encoded, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    good = encoded and np.array_equal(read_image(data.tobytes(), picture.size), picture)
    return good, "images are read as they were written" if good else "a PNG is not read as it was written; reinstall"


def _writes() -> Line:
    try:
        with TemporaryFile() as stream:
            stream.write(b"0" * 4096)
    except OSError as error:
        return False, f"temporary files cannot be written ({error.strerror}); set TMPDIR to a folder with space"
    return True, "temporary files can be written"


def _answers(folder: Path) -> Iterator[Line]:
    try:
        model = open_model(folder)
    except LeukoFlowError as error:
        yield False, str(error)
        return
    answer = model.answer(_picture(), cells=True, heat=True)
    started = time.perf_counter()
    model.answer(_picture())
    spent = 1000 * (time.perf_counter() - started)
    good = abs(sum(answer.probabilities) - 1) < 1e-6
    yield good, f"{folder}: {model.facts.title} opens and answers, {spent:.0f} ms a picture on one thread"
