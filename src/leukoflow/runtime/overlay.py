"""A picture with its cells outlined and the first map (Grad-CAM) laid over it, the answer written below."""

import hashlib
from pathlib import Path

import cv2
import numpy as np

from leukoflow.runtime.answers import Answer, Cell, Point

SIDE = 640
"""The longer side of the picture is at least this many pixels, so that outlines and text can be read."""
MOST = 1600
"""And at most this many."""
CELL, NUCLEUS = (20, 110, 20), (160, 30, 140)
INK, PAPER = (30, 30, 30), (255, 255, 255)
WARMEST = 0.55
"""Opacity of the heat where it is 1."""
LINE = 24
"""Height of a line of text, pixels."""


def overlay(image: np.ndarray, answer: Answer) -> bytes:
    """The picture next to its heat, as a JPEG.

    image: uint8 [H, W, 3], RGB, that the answer is of.
    """
    height, width = image.shape[:2]
    scale = min(max(1.0, SIDE / max(height, width)), MOST / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    large = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    outlined = large.copy()
    for cell in answer.cells:
        _draw(outlined, cell.outline, scale, CELL)
        _draw(outlined, cell.nucleus, scale, NUCLEUS)
        if cell.type:
            _name(outlined, cell, scale)
    panels = [outlined] if answer.heat is None else [outlined, _warm(large, answer.heat)]
    whole = np.concatenate([np.concatenate(panels, axis=1), _text(answer, size[0] * len(panels))])
    return cv2.imencode(".jpg", cv2.cvtColor(whole, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


def overlay_path(folder: Path, path: str) -> Path:
    """Where an image's picture goes: its own name and a digest of its path, as many may share a name."""
    digest = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return folder / f"{Path(path).stem[:80]}.{digest}.jpg"


def _draw(image: np.ndarray, outline: tuple[Point, ...], scale: float, colour: tuple[int, int, int]) -> None:
    if outline:
        points = np.rint(np.array(outline) * scale).astype(np.int32)[:, None]
        cv2.polylines(image, [points], True, colour, 2, cv2.LINE_AA)


def _name(image: np.ndarray, cell: Cell, scale: float) -> None:
    """The cell's type above it; with a question mark if it is not certain."""
    assert cell.type is not None
    text = cell.type.label[:4] + ("" if cell.type.told else "?")
    x, y = (round(min(values) * scale) for values in zip(*cell.outline, strict=True))
    at = (x, max(y - 3, 12))
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, PAPER, 3, cv2.LINE_AA)
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.45, INK, 1, cv2.LINE_AA)


def _warm(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Heat in colours over the picture, the more opaque the warmer."""
    fine = cv2.resize(heat, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap(np.rint(255 * fine).astype(np.uint8), cv2.COLORMAP_INFERNO)
    opacity = WARMEST * fine[:, :, None]
    return np.rint(opacity * cv2.cvtColor(colours, cv2.COLOR_BGR2RGB) + (1 - opacity) * image).astype(np.uint8)


def _text(answer: Answer, width: int) -> np.ndarray:
    """The answer in words on white: uint8 [h, width, 3]. OpenCV's font knows plain letters only."""
    lines = [f"{answer.label}: {answer.confidence:.0%}" + ("   HELD BACK" if answer.abstains else "")]
    lines += [f"right: {heat_map.title}" for heat_map in answer.maps[:1]]
    lines += [f"cannot be ruled out: {', '.join(answer.conformal) or 'none'}"]
    lines += [reason.text for reason in answer.reasons]
    lines += ["research use only, no medical device"]
    paper = np.full((LINE * len(lines) + 10, width, 3), PAPER, np.uint8)
    for number, line in enumerate(lines, start=1):
        plain = line.encode("ascii", "replace").decode()
        cv2.putText(paper, plain, (8, LINE * number), cv2.FONT_HERSHEY_SIMPLEX, 0.5, INK, 1, cv2.LINE_AA)
    return paper
