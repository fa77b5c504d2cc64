"""Masks of white cells as their sources publish them, brought to one form.

What a pixel may be off its code depends on the file. One without loss says exactly what it says: level 1 is not 0, and
`foreground` is everything but 0. In a JPEG, levels waver about their code and run into one another along outlines:
there the nearest code counts, and levels up to `FOREGROUND_LEVEL` are black. A mask that was a JPEG once and is stored
without loss now cannot be told from one that means its levels; its codes are refused, its `foreground` is too wide.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from leukoflow.cells.labels import BACKGROUND, CELL, CYTOPLASM, NUCLEUS, UNKNOWN, parts_of
from leukoflow.config.masks import Code, Masks
from leukoflow.core.errors import LeukoFlowError

FOREGROUND_LEVEL = 20
"""Grey level of a JPEG above which a pixel of a `foreground` mask is a cell's: loss leaves low levels around black."""
TOLERANCE = 12
"""Levels by which a channel of a JPEG may be off its code."""
MOST_STRAY = 0.02
"""Share of a mask's pixels, blended along outlines, that may have no listed code; they take the nearest."""
MOST_BLENDED = 0.5
"""Share of what is not background that may have no listed code: outlines are less, ids that are no codes are all."""
MOST_OF_ONE = 0.1
"""Share of what is not background that one code may have which is not listed."""
MOST_FAR = {1: 0.1, 3: 0.2}
"""Share of what is not background that may be far from all codes in a JPEG, by its channels: colours are stored
coarser. Right codes in greys of quality 75 leave 0.5 % far, one code forgotten at least 13 % (cells of 6 pixels and
more)."""
WHITE = {1: 255, 3: 85, 15: 17}
"""By what levels of less than eight bits are multiplied to be shown."""


class MaskError(Exception):
    """A mask that cannot be used; the text is the reason, in one line."""


class Stored(Protocol):
    """What a mask file stores, unscaled and upright (`images.samples.Samples`)."""

    @property
    def values(self) -> np.ndarray:
        """uint8 or uint16, levels or palette indices [H, W], or RGB [H, W, 3]."""

    @property
    def colours(self) -> np.ndarray:
        """The same with the palette applied."""

    @property
    def top(self) -> int:
        """The level of white."""

    @property
    def palette(self) -> np.ndarray | None:
        """Colours of the indices, if there is a palette."""

    @property
    def alpha(self) -> np.ndarray | None:
        """Opacity [H, W], if there is any."""


def decode_mask(
    stored: Stored, masks: Masks, shape: tuple[int, int], lossy: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Parts map uint8 [H, W] of a mask, and label map uint16 [H, W] where it tells cells apart.

    shape: height and width of its image. lossy: whether the file went through JPEG. Raises MaskError: another shape, a
    code that the config does not list, a file that cannot say what the coding asks for.
    """
    height, width = stored.values.shape[:2]
    if (height, width) != shape:
        raise MaskError(f"the mask is {width} x {height}, its image {shape[1]} x {shape[0]}")
    labels = None
    if masks.coding in ("instances", "ids"):
        labels = _instances(stored, masks.coding, lossy)
        parts = parts_of(labels) if masks.coding == "instances" else np.where(labels > 0, CELL, BACKGROUND)
    elif masks.coding == "foreground":
        parts = np.where(_foreground(stored, lossy), CELL, BACKGROUND)
    else:
        raw = in_terms_of(stored, masks)
        if (clear := _seen(stored)) is not None and masks.background:
            raw = raw.copy()
            raw[~clear] = _colours(masks.background)[0][0 if raw.ndim == 2 else slice(3)]
        parts = _coded(raw, masks, lossy)
    seen = _seen(stored)
    if seen is not None and labels is None:
        parts = np.where(seen, parts, BACKGROUND)
        if not parts.any():
            raise MaskError("its cells are told by transparency alone; save it with levels or colours")
    return parts.astype(np.uint8), labels


def _seen(stored: Stored) -> np.ndarray | None:
    """Where a mask is not transparent, bool [H, W]; None if that is the same everywhere."""
    if stored.alpha is None:
        return None
    seen = stored.alpha > 0
    return None if seen.all() or not seen.any() else np.asarray(seen)


def _foreground(stored: Stored, lossy: bool) -> np.ndarray:
    """Where anything but black is: bool [H, W]."""
    raw, seen = stored.colours, _seen(stored)
    level = raw if raw.ndim == 2 else raw.max(axis=2)
    if seen is not None:
        level = np.where(seen, level, 0)
    foreground = level > (FOREGROUND_LEVEL if lossy else 0)
    if foreground.all():
        raise MaskError(f"nothing in it is black (the least level is {level.min()}), and all would be cells; use codes")
    if lossy and level.any() and not foreground.any():
        raise MaskError(f"a JPEG with no level above {level.max()}: cells cannot be told from its loss; save it as PNG")
    return np.asarray(foreground)


def _instances(stored: Stored, coding: str, lossy: bool) -> np.ndarray:
    """Label map uint16 [H, W] of levels that tell cells apart."""
    raw = stored.values
    if raw.ndim == 3 and (raw == raw[:, :, :1]).all():
        raw = raw[:, :, 0]
    if raw.ndim == 3:
        raise MaskError("levels of one channel distinguish cells, and this mask has colours; save it as 16 bits")
    if lossy:
        raise MaskError("a JPEG cannot tell cells apart by their levels; save it as PNG")
    if coding == "instances":
        if (raw == 1).any():
            raise MaskError("level 1 is of no cell in the coding instances (2 k and 2 k + 1); use ids, or save it so")
        return raw.astype(np.uint16)
    ids, inverse = np.unique(raw, return_inverse=True)
    cells = np.cumsum(ids > 0)
    if cells[-1] > np.iinfo(np.uint16).max // 2:
        raise MaskError(f"{cells[-1]} ids are more than one mask may have")
    return (2 * cells).astype(np.uint16)[inverse.reshape(raw.shape)]


def in_terms_of(stored: Stored, masks: Masks) -> np.ndarray:
    """A mask's levels or colours, [H, W] or [H, W, 3], in the terms in which its codes are listed, if they are."""
    codes = [*masks.nucleus, *masks.cytoplasm, *masks.cell]
    levels = [code for code in codes if isinstance(code, int)]
    if stored.palette is not None and codes == levels != []:
        return stored.values
    raw = stored.colours
    if raw.ndim == 2 and stored.top in WHITE and (not levels or max(levels) > stored.top):
        return raw * np.uint8(WHITE[stored.top])
    # Sixteen bits in which eight were written.
    if raw.ndim == 3 and raw.dtype == np.uint16 and not (raw % 257).any():
        return (raw // 257).astype(np.uint8)
    return raw


def infer_codes(pairs: Iterable[tuple[np.ndarray, np.ndarray]], cohort: str) -> Masks:
    """The codes of masks whose source does not say them, from images uint8 [H, W, 3] (RGB) and their masks' colours.

    Pooled over all pairs: background is the code that most border pixels have; of the others that cover at least 1 %,
    the one whose image pixels are darker (in green) is the nucleus. Raises LeukoFlowError if there are not one or
    two such codes.
    """
    pixels: Counter[Code] = Counter()
    border: Counter[Code] = Counter()
    green: dict[Code, float] = defaultdict(float)
    for image, raw in pairs:
        edge = np.zeros(raw.shape[:2], bool)
        edge[[0, -1]] = edge[:, [0, -1]] = True
        flat, inverse, counts = _distinct(raw)
        levels = image[:, :, 1].ravel() if image.shape[:2] == edge.shape else np.zeros(edge.size)
        at_edge = np.bincount(inverse[edge.ravel()], minlength=len(flat))
        brightness = np.bincount(inverse, weights=levels, minlength=len(flat))
        for colour, here, outside, bright in zip(flat, counts, at_edge, brightness, strict=True):
            code = _code(colour)
            pixels[code] += int(here)
            border[code] += int(outside)
            green[code] += float(bright)
    total = pixels.total()
    common = [code for code in pixels if pixels[code] >= 0.01 * total]
    if not border or len(common) not in (2, 3):
        raise LeukoFlowError(
            f"{cohort}: its masks hold {len(common)} common codes ({', '.join(map(str, common))}), not background and "
            "one or two more; list them in masks with coding 'codes'"
        )
    background = max(common, key=lambda code: border[code])
    inner = sorted((code for code in common if code != background), key=lambda code: green[code] / pixels[code])
    parts = {"nucleus": (inner[0],), "cytoplasm": (inner[1],)} if len(inner) == 2 else {"cell": (inner[0],)}
    return Masks(path="", background=(background,), **parts)  # type: ignore[arg-type]


def _distinct(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The colours of a mask, int64 [n, 3], which of them each pixel has, int [H * W], and how many pixels each has."""
    if raw.ndim == 2:
        values, inverse, counts = np.unique(raw, return_inverse=True, return_counts=True)
        return np.repeat(values.astype(np.int64)[:, None], 3, axis=1), inverse.ravel(), counts
    packed = raw.astype(np.int64) @ np.array([1 << 32, 1 << 16, 1])
    values, inverse, counts = np.unique(packed, return_inverse=True, return_counts=True)
    return np.stack([values >> 32, values >> 16 & 0xFFFF, values & 0xFFFF], axis=1), inverse.ravel(), counts


def _code(colour: np.ndarray) -> Code:
    red, green, blue = (int(level) for level in colour)
    if red == green == blue:
        return red
    return f"#{red:02x}{green:02x}{blue:02x}" if max(red, green, blue) < 256 else f"({red}, {green}, {blue})"


def _coded(raw: np.ndarray, masks: Masks, lossy: bool) -> np.ndarray:
    """Each pixel as the listed code that it has, or as the nearest."""
    listed = {BACKGROUND: masks.background, CYTOPLASM: masks.cytoplasm, NUCLEUS: masks.nucleus, CELL: masks.cell}
    codes = [(colour, part) for part, part_codes in listed.items() for colour in _colours(part_codes)]
    colours = np.array([colour for colour, _ in codes], np.int64)
    meaning = np.array([part for _, part in codes], np.uint8)
    flat, inverse, counts = _distinct(raw)
    distance = np.abs(flat[:, None] - colours).max(axis=2)
    off, part = distance.min(axis=1), meaning[distance.argmin(axis=1)]
    stray = off > (TOLERANCE if lossy else 0)
    drawn = max(1, counts[(part != BACKGROUND) | stray].sum())
    if lossy:
        gap = min(np.abs(one - other).max() for one, a in zip(colours, meaning, strict=True)
                  for other, b in zip(colours, meaning, strict=True) if a != b)  # fmt: skip
        if gap <= 2 * TOLERANCE:
            raise MaskError(f"a JPEG cannot tell codes apart that are {gap} levels from each other; save it as PNG")
        wrong = off > gap / 4
        refused = counts[wrong].sum() > MOST_FAR[1 if raw.ndim == 2 else 3] * drawn
        if not (part != BACKGROUND).any() and len(flat) > 1:
            raise MaskError("a JPEG in which no listed code is, and more than background; save it as PNG or list codes")
    else:
        wrong = stray
        blended = counts[stray].sum()
        refused = blended > min(MOST_STRAY * counts.sum(), MOST_BLENDED * drawn)
        refused |= (counts[stray] > MOST_OF_ONE * drawn).any()
    if refused:
        most = _code(flat[wrong][counts[wrong].argmax()])
        raise MaskError(
            f"{counts[stray].sum() / counts.sum():.1%} of the mask has codes that masks does not list, most of it "
            f"{most!r}; add them to nucleus, cytoplasm, cell or background"
        )
    return part[inverse].reshape(raw.shape[:2])


def _colours(codes: Sequence[Code]) -> list[tuple[int, int, int]]:
    colours = []
    for code in codes:
        if isinstance(code, int):
            colours.append((code, code, code))
        else:
            colours.append((int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)))
    return colours


def known(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where cell and nucleus are annotated at all: two bool arrays of the shape of the parts map."""
    annotated = parts != UNKNOWN
    return annotated, annotated & (parts != CELL)
