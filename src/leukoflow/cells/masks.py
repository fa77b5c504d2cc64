"""Masks of white cells as their sources publish them, brought to one form."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np

from leukoflow.cells.labels import BACKGROUND, CELL, CYTOPLASM, NUCLEUS, UNKNOWN, parts_of
from leukoflow.config.masks import Code, Masks
from leukoflow.core.errors import LeukoFlowError

FOREGROUND_LEVEL = 20
"""Grey level above which a pixel of a `foreground` mask is a cell's (JPEG leaves low levels around black)."""
TOLERANCE = 12
"""Levels by which a channel may be off its code: masks are at times saved with loss."""
MOST_STRAY = 0.02
"""Share of the pixels, blended along outlines, that may be far from every code; they take the nearest."""


def read_mask(path: str | Path, masks: Masks, shape: tuple[int, int]) -> np.ndarray:
    """Parts map of a mask file: uint8 [H, W].

    shape: height and width of its image. Raises LeukoFlowError naming the file where it cannot be read, has another
    shape, or holds grey levels or colours that the config does not list.
    """
    raw = _decode(path)
    if raw.shape[:2] != shape:
        raise LeukoFlowError(
            f"{path}: the mask is {raw.shape[1]} x {raw.shape[0]}, its image {shape[1]} x {shape[0]}; leave it out"
        )
    if masks.coding == "instances":
        if raw.ndim != 2:
            raise LeukoFlowError(f"{path}: an instance mask has one channel, this one {raw.shape[2]}")
        return parts_of(raw.astype(np.uint16))
    if masks.coding == "foreground":
        level = raw if raw.ndim == 2 else raw.max(axis=2)
        return np.where(level > FOREGROUND_LEVEL, CELL, BACKGROUND).astype(np.uint8)
    return _decoded(raw, masks, path)


def read_instances(path: str | Path) -> np.ndarray:
    """Label map uint16 [H, W] of a mask file coded as instances."""
    raw = _decode(path)
    if raw.ndim != 2:
        raise LeukoFlowError(f"{path}: an instance mask has one channel, this one {raw.shape[2]}")
    return raw.astype(np.uint16)


def _decode(path: str | Path) -> np.ndarray:
    """uint8 or uint16 [H, W], or RGB [H, W, 3]."""
    try:
        data = np.frombuffer(Path(path).read_bytes(), np.uint8)
    except OSError as error:
        raise LeukoFlowError(f"{path}: the mask cannot be read ({error})") from error
    raw = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if raw is None:
        raise LeukoFlowError(f"{path}: the mask is no image that can be read; leave it out or replace it")
    if raw.ndim == 3:
        raw = raw[:, :, 0] if raw.shape[2] == 1 else cv2.cvtColor(raw[:, :, :3], cv2.COLOR_BGR2RGB)
    return raw


def infer_codes(pairs: Iterable[tuple[np.ndarray, str | Path]]) -> Masks:
    """The codes of masks whose source does not say them, from images uint8 [H, W, 3] (RGB) and their mask files.

    Pooled over all pairs: background is the code that most border pixels have; of the others that cover at least 1 %,
    the one whose image pixels are darker (in green) is the nucleus. Raises LeukoFlowError where there are not one or
    two such codes.
    """
    pixels: Counter[Code] = Counter()
    border: Counter[Code] = Counter()
    green: dict[Code, float] = defaultdict(float)
    last: str | Path = "masks"
    for image, path in pairs:
        raw, last = _decode(path), path
        edge = np.zeros(raw.shape[:2], bool)
        edge[[0, -1]] = edge[:, [0, -1]] = True
        flat, inverse, _ = _distinct(raw)
        levels = image[:, :, 1].ravel() if image.shape[:2] == edge.shape else np.zeros(edge.size)
        for row, colour in enumerate(flat):
            here, code = inverse == row, _code(colour)
            pixels[code] += int(here.sum())
            border[code] += int((here & edge.ravel()).sum())
            green[code] += float(levels[here].sum())
    total = pixels.total()
    common = [code for code in pixels if pixels[code] >= 0.01 * total]
    if not border or len(common) not in (2, 3):
        raise LeukoFlowError(
            f"{last}: its cohort's masks hold {len(common)} common codes ({', '.join(map(str, common))}), not "
            "background and one or two more; list them in masks with coding 'codes'"
        )
    background = max(common, key=lambda code: border[code])
    inner = sorted((code for code in common if code != background), key=lambda code: green[code] / pixels[code])
    found = {"nucleus": (inner[0],), "cytoplasm": (inner[1],)} if len(inner) == 2 else {"cell": (inner[0],)}
    return Masks(path="", background=(background,), **found)  # type: ignore[arg-type]


def _distinct(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The colours of a mask, uint8 [n, 3], which of them each pixel has, int [H * W], and how many pixels each has."""
    rgb = np.repeat(raw[:, :, None], 3, axis=2) if raw.ndim == 2 else raw
    packed = rgb.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    values, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    colours = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=1).astype(np.uint8)
    return colours, inverse.ravel(), counts


def _code(colour: np.ndarray) -> Code:
    red, green, blue = (int(each) for each in colour)
    return red if red == green == blue else f"#{red:02x}{green:02x}{blue:02x}"


def _decoded(raw: np.ndarray, masks: Masks, path: str | Path) -> np.ndarray:
    """Each pixel as the nearest of the listed codes."""
    listed = {BACKGROUND: masks.background, CYTOPLASM: masks.cytoplasm, NUCLEUS: masks.nucleus, CELL: masks.cell}
    codes = [(colour, part) for part, given in listed.items() for colour in _colours(given)]
    colours = np.array([colour for colour, _ in codes], np.int32)
    meaning = np.array([part for _, part in codes], np.uint8)
    flat, inverse, counts = _distinct(raw)
    distance = np.abs(flat.astype(np.int32)[:, None] - colours).max(axis=2)
    stray = distance.min(axis=1) > TOLERANCE
    if counts[stray].sum() > MOST_STRAY * counts.sum():
        worst = flat[stray][counts[stray].argmax()]
        share = counts[stray].max() / counts.sum()
        raise LeukoFlowError(
            f"{path}: {share:.0%} of the mask has the code {_code(worst)!r}, which masks does not list; add it to "
            "nucleus, cytoplasm, cell or background"
        )
    return meaning[distance.argmin(axis=1)][inverse].reshape(raw.shape[:2])


def _colours(codes: Sequence[Code]) -> list[tuple[int, int, int]]:
    found = []
    for code in codes:
        if isinstance(code, int):
            found.append((code, code, code))
        else:
            found.append((int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)))
    return found


def known(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where cell and nucleus are annotated at all: two bool arrays of the shape of the parts map."""
    annotated = parts != UNKNOWN
    return annotated, annotated & (parts != CELL)
