"""Search for pictures that show the same part of a field: turned by any angle, mirrored, cropped, zoomed or shifted.

Details are sampled on five rings around a centre, and along each ring a Fourier transform is taken. A turn changes the
phases alike in all rings, and mirroring conjugates them, so the real parts of products between rings stay the same. The
disc in the middle of each picture is compared with 104 windows of every other picture. Principal components of
these products, whitened, are compared by their cosine; candidates for that come from hash tables of their signs, in
which the least certain bits are tried both ways (multi-probe hashing: Lv et al. 2007, VLDB).
"""

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

from leukoflow.quality.hashing import THUMBNAIL
from leukoflow.quality.thumbnails import Thumbnails

SIDE = THUMBNAIL // 2
"""Side of the pictures of details, pixels."""
RINGS, WAVES = 5, 6
RADIUS = 0.85
"""Of the disc in the middle, of half the shorter side: what a picture turned within its frame or shifted a little still
shows."""
COARSE, AROUND = 2.0, 3.0
"""Standard deviations, pixels of the details, of the Gaussians for what is removed and for the contrast."""
LEAST_CONTRAST = 4.0
"""Grey levels added to the contrast, so that the noise of an empty field is not enlarged."""
FILLED = 0.97
"""Radius beyond which corners may be filled, of half the shorter side."""
BLOCKS, BLOCK_BITS = 4, 16
BITS = BLOCKS * BLOCK_BITS
UNSURE = 5
"""Bits of a block that are tried both ways."""
MOST_IN_BUCKET = 64
FARTHEST = 20
"""Most of the 64 bits by which a candidate may differ."""
COSINE, ALIGNED = 0.65, 0.60
"""Least cosine of the components, and least correlation of the rings in the best position, of a candidate."""
MOST_DOUBT = 0.6
"""Of a candidate: a round cell is as like another as it is like itself when turned, and that says little."""
MOST_CANDIDATES = 20
"""Candidates kept for each image, on average, those with the least doubt."""
SAMPLE = 4096
"""Discs from which the principal components are taken."""
CHUNK = 2048
"""Images that are compared at a time: bounds the memory."""


class Window(NamedTuple):
    """A window of a picture: its centre in -1..1 of half the width and height, and its size as a share of the whole."""

    x: float
    y: float
    scale: float


def _windows() -> tuple[Window, ...]:
    grids = {1.0: np.linspace(-0.1, 0.1, 5), 0.9: np.linspace(-0.1, 0.1, 5), 0.8: np.linspace(-0.2, 0.2, 7)}
    found = [Window(x, y, scale) for scale, steps in grids.items() for x, y in product(steps.tolist(), repeat=2)]
    return (*found, *(Window(0.0, 0.0, scale) for scale in (0.95, 0.85)))


WINDOWS = _windows()
PLAIN = WINDOWS.index(Window(0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Candidates:
    """Pairs of images [p] of which the second may be a part of the first, and how they lie."""

    whole: np.ndarray
    part: np.ndarray
    window: np.ndarray
    """Index of the window of the first that the second shows."""
    angle: np.ndarray
    """Radians."""
    mirrored: np.ndarray
    doubt: np.ndarray
    """What the rings lack to a correlation of 1, as a share of what the second lacks when it is turned."""

    def __len__(self) -> int:
        return len(self.whole)

    def take(self, rows: np.ndarray) -> "Candidates":
        """Some of the pairs."""
        return Candidates(*(getattr(self, name)[rows] for name in self.names()))

    @staticmethod
    def names() -> tuple[str, ...]:
        """Names of the columns."""
        return ("whole", "part", "window", "angle", "mirrored", "doubt")

    def matrix(self, row: int, shapes: np.ndarray) -> np.ndarray:
        """Affine matrix float64 [2, 3] from pixels of the part's thumbnail to those of the whole's.

        shapes: half width and height of each image over half its shorter side [n, 2].
        """
        window, angle = WINDOWS[self.window[row]], float(self.angle[row])
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        if self.mirrored[row]:
            turn = np.array([[cos, sin], [sin, -cos]])
        outer, inner = shapes[self.whole[row]], shapes[self.part[row]]
        linear = turn * window.scale * inner[None, :] / outer[:, None]
        middle, half = (THUMBNAIL - 1) / 2, THUMBNAIL / 2
        centre = middle + half * np.array([window.x, window.y])
        return np.column_stack([linear, centre - linear @ np.full(2, middle)])


def shape_of(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Half width and height over half the shorter side float64 [n, 2], at most 4, in steps of 3 %."""
    sides = np.stack([width, height], axis=1).astype(float)
    steps = np.clip(np.round(np.log2(sides / sides.min(axis=1, keepdims=True)) * 20) / 20, 0, 2)
    return np.asarray(2.0**steps)


def details(thumbnails: np.ndarray, scale: float = 1.0, within: np.ndarray | None = None) -> np.ndarray:
    """Details over their local contrast, of thumbnails uint8 [n, 64, 64]: float32 [n, 32, 32].

    For windows of a scale the Gaussians are that much smaller. What lies outside the mask `within` float32 [32, 32] is
    not known: it enters neither means nor contrast.
    """
    rows = thumbnails[:, ::2].astype(np.float32) + thumbnails[:, 1::2]
    small = (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
    mask = np.ones((SIDE, SIDE), np.float32) if within is None else within
    fine = (small - _mean(small, mask, _blur(COARSE * scale))) * mask
    return np.asarray(fine / (np.sqrt(np.maximum(_mean(fine * fine, mask, _blur(AROUND * scale)), 0)) + LEAST_CONTRAST))


def sketches(thumbnails: np.ndarray) -> np.ndarray:
    """Details of thumbnails uint8 [n, 64, 64] averaged to 16 x 16, of mean 0 and norm 1: float32 [n, 16, 16]."""
    found = details(thumbnails).reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4))
    found -= found.mean(axis=(1, 2), keepdims=True)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=(1, 2), keepdims=True), 1e-6))


def _mean(pictures: np.ndarray, mask: np.ndarray, blur: np.ndarray) -> np.ndarray:
    """Local mean of what the mask shows."""
    return np.asarray((blur @ (pictures * mask) @ blur.T) / np.maximum(blur @ mask @ blur.T, 1e-3), np.float32)


def _blur(deviation: float) -> np.ndarray:
    """Matrix float32 [32, 32] that blurs the columns of a picture by a Gaussian."""
    kernel = cv2.getGaussianKernel(round(6 * deviation) | 1, deviation)
    return cv2.sepFilter2D(np.eye(SIDE, dtype=np.float32), -1, np.ones(1), kernel)


def disc(shape: np.ndarray, side: int, radius: float) -> np.ndarray:
    """Disc of a share of half the shorter side in the middle of a picture squeezed to a square: bool [side, side]."""
    places = (np.arange(side) - (side - 1) / 2) / (side / 2)
    return np.hypot(places[None, :] * shape[0], places[:, None] * shape[1]) <= radius


def _operator(window: Window, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the details that lie in the window's disc, and what makes rings of them: float32 [pixels, rings x
    (waves + 1), real and imaginary parts apart]."""
    places = (np.arange(SIDE) - (SIDE - 1) / 2) / (SIDE / 2)
    x, y = (places[None, :] - window.x) * shape[0], (places[:, None] - window.y) * shape[1]
    away, angle = np.hypot(x, y) / (RADIUS * window.scale), np.arctan2(y, x)
    soft = np.clip((1 - away) * RADIUS * window.scale * SIDE / 2 + 0.5, 0, 1)
    middles = (np.arange(RINGS) + 0.5) / RINGS
    weights = soft * np.exp(-0.5 * ((away - middles[:, None, None]) * RINGS / 0.6) ** 2)
    weights *= (np.sqrt(middles) / weights.sum(axis=(1, 2)))[:, None, None]
    waves = weights[:, None] * np.exp(-1j * np.arange(WAVES + 1)[:, None, None] * angle)
    inside = np.flatnonzero(soft > 0)
    flat = waves.reshape(RINGS * (WAVES + 1), -1)[:, inside]
    return inside, np.ascontiguousarray(np.concatenate([flat.real, flat.imag]).T.astype(np.float32))


class _Sampler:
    """Rings of pictures of several shapes in any window."""

    def __init__(self, shapes: np.ndarray) -> None:
        self.shapes, self.kinds = np.unique(shapes, axis=0, return_inverse=True)
        self.kinds = self.kinds.ravel()
        self._operators: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def rings(self, pictures: np.ndarray, rows: np.ndarray, window: int) -> np.ndarray:
        """Real and imaginary parts float32 [n, 2, rings, waves + 1] of norm 1, of pictures float32 [n, 32, 32], which
        are those of `rows`."""
        flat, kinds = pictures.reshape(len(pictures), -1), self.kinds[rows]
        out = np.empty((len(rows), 2 * RINGS * (WAVES + 1)), np.float32)
        for kind in np.unique(kinds):
            key = (int(kind), window)
            if key not in self._operators:
                self._operators[key] = _operator(WINDOWS[window], self.shapes[kind])
            inside, matrix = self._operators[key]
            some = slice(None) if len(self.shapes) == 1 else np.flatnonzero(kinds == kind)
            out[some] = flat[some].take(inside, axis=1) @ matrix
        norm = np.sqrt((out * out) @ _POWER)
        out /= np.maximum(norm, 1e-3)[:, None]
        return out.reshape(-1, 2, RINGS, WAVES + 1)


_POWER = np.tile(np.where(np.arange(WAVES + 1) > 0, 2, 1), 2 * RINGS).astype(np.float32)
_ONE, _TWO = np.triu_indices(RINGS)
_TWICE = np.where(_ONE == _TWO, 1, np.sqrt(2)).astype(np.float32)


def _unchanged(rings: np.ndarray) -> np.ndarray:
    """What neither a turn nor a mirror changes, float32 [n, 95]; signed square roots, as the products are skewed."""
    one, two = rings[:, :, _ONE, 1:], rings[:, :, _TWO, 1:]
    products = (one[:, 0] * two[:, 0] + one[:, 1] * two[:, 1]) * _TWICE[:, None]
    values = np.sqrt(np.abs(products)) * np.sign(products)
    return np.concatenate([values.reshape(len(rings), -1), 0.6 * rings[:, 0, :, 0]], axis=1)


def _turns(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of rings [p, 2, rings, waves + 1] with the second turned back by each angle, as it is and mirrored:
    float32 [p, angles] each."""
    (a, b), (c, d) = (np.moveaxis(each, 1, 0) for each in (one, two))
    # Of the first times the conjugate of the second, and of the conjugate of the first times that of the second.
    turned = (a * c + b * d).sum(axis=1) @ _COSINE + (b * c - a * d).sum(axis=1) @ _SINE
    mirrored = (a * c - b * d).sum(axis=1) @ _COSINE - (a * d + b * c).sum(axis=1) @ _SINE
    return turned, mirrored


def _aligned(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best correlation of rings, the angle from the first to the second (radians), and whether that is mirrored."""
    every = np.concatenate(_turns(one, two), axis=1)
    place = every.argmax(axis=1)
    return every[np.arange(len(every)), place], _ANGLES[place % len(_ANGLES)], place >= len(_ANGLES)


def _symmetry(rings: np.ndarray) -> np.ndarray:
    """Largest correlation of rings with themselves, mirrored or turned by 45 degrees and more: float32 [n]."""
    turned, mirrored = _turns(rings, rings)
    return np.asarray(np.maximum(turned[:, np.cos(_ANGLES) < 0.71].max(axis=1), mirrored.max(axis=1)))


_ANGLES = np.arange(72) * (2 * np.pi / 72)
_BOTH_WAYS = np.where(np.arange(WAVES + 1) > 0, 2, 1)[:, None]
_COSINE = (np.cos(np.arange(WAVES + 1)[:, None] * _ANGLES) * _BOTH_WAYS).astype(np.float32)
_SINE = (np.sin(np.arange(WAVES + 1)[:, None] * _ANGLES) * _BOTH_WAYS).astype(np.float32)


class _Tables:
    """Hash tables of the signs of components float32 [n, 64]."""

    def __init__(self, components: np.ndarray) -> None:
        self.codes = _codes(components)
        self.orders, self.bounds = [], []
        for block in range(BLOCKS):
            keys = _keys(self.codes, block)
            self.orders.append(np.argsort(keys, kind="stable").astype(np.int32))
            self.bounds.append(np.searchsorted(keys[self.orders[-1]], np.arange((1 << BLOCK_BITS) + 1)))

    def near(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of queries float32 [m, 64] and members of the tables that may be alike: int64 [p] each, once."""
        codes, found = _codes(components), []
        for block, (order, bounds) in enumerate(zip(self.orders, self.bounds, strict=True)):
            certain = np.abs(components[:, block * BLOCK_BITS : (block + 1) * BLOCK_BITS])
            unsure = np.argpartition(certain, UNSURE, axis=1)[:, :UNSURE]
            flips = (1 << unsure) @ np.array(list(product((0, 1), repeat=UNSURE))).T
            keys = (_keys(codes, block)[:, None] ^ flips).ravel()
            first = bounds[keys]
            counts = np.minimum(bounds[keys + 1] - first, MOST_IN_BUCKET)
            query = np.repeat(np.arange(len(codes)).repeat(flips.shape[1]), counts)
            within = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
            member = order[np.repeat(first, counts) + within]
            close = np.bitwise_count(codes[query] ^ self.codes[member]) <= FARTHEST
            found.append(query[close] * len(self.codes) + member[close])
        pairs = np.unique(np.concatenate(found))
        return pairs // len(self.codes), pairs % len(self.codes)


def _codes(components: np.ndarray) -> np.ndarray:
    bits = np.packbits(components > 0, axis=1, bitorder="little")
    return np.ascontiguousarray(bits).view("<u8").ravel()


def _keys(codes: np.ndarray, block: int) -> np.ndarray:
    return ((codes >> np.uint64(block * BLOCK_BITS)) & np.uint64(0xFFFF)).astype(np.int64)


def search(thumbnails: Thumbnails, shapes: np.ndarray) -> Candidates:
    """Candidates among images of some shapes [n, 2] (see `shape_of`): each pair of whole and part once, in its best
    position, and no more than `MOST_CANDIDATES` for each image on average."""
    sampler = _Sampler(shapes)
    own = _middles(thumbnails, sampler)
    mean, axes = _components(thumbnails, sampler)

    def components(rings: np.ndarray) -> np.ndarray:
        values = (_unchanged(rings) - mean) @ axes
        return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6))

    members = np.concatenate([components(own[rows]) for rows in _chunks(len(own))])
    tables = _Tables(members)
    lacking = np.concatenate([1 - _symmetry(own[rows]) for rows in _chunks(len(own))])
    best: list[Candidates] = []
    for rows in _chunks(len(own)):
        taken = thumbnails.take(rows)
        pictures = {scale: details(taken, scale) for scale in {window.scale for window in WINDOWS}}
        found: list[Candidates] = []
        for window in range(len(WINDOWS)):
            rings = sampler.rings(pictures[WINDOWS[window].scale], rows, window)
            values = components(rings)
            query, member = tables.near(values)
            alike = (rows[query] != member) & (np.einsum("ij,ij->i", values[query], members[member]) >= COSINE)
            query, member = query[alike], member[alike]
            correlation, angle, mirrored = _aligned(rings[query], own[member])
            doubt = (1 - correlation) / np.maximum(lacking[member], 1e-3)
            kept = (correlation >= ALIGNED) & (doubt <= MOST_DOUBT)
            columns = (rows[query], member, np.full(len(query), window), angle, mirrored, doubt)
            found.append(Candidates(*(column[kept] for column in columns)))
        best.append(_best(found, MOST_CANDIDATES * len(rows)))
    return _joined(best)


def _chunks(count: int) -> list[np.ndarray]:
    return np.split(np.arange(count), range(CHUNK, count, CHUNK))


def _middles(thumbnails: Thumbnails, sampler: _Sampler) -> np.ndarray:
    """Rings of the middle of each picture, float32 [n, 2, rings, waves + 1], from the disc alone: its corners may be
    filled."""
    rings = np.empty((len(thumbnails), 2, RINGS, WAVES + 1), np.float32)
    for rows in _chunks(len(thumbnails)):
        for kind in np.unique(sampler.kinds[rows]):
            some = rows[sampler.kinds[rows] == kind]
            mask = disc(sampler.shapes[kind], SIDE, FILLED).astype(np.float32)
            rings[some] = sampler.rings(details(thumbnails.take(some), within=mask), some, PLAIN)
    return rings


def _components(thumbnails: Thumbnails, sampler: _Sampler) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the unchanging values, and their whitened principal axes float32 [values, 64], over a sample of windows
    of all pictures: of few images as well there are enough."""
    every = len(thumbnails) * len(WINDOWS)
    chosen = np.unique(np.linspace(0, every - 1, min(SAMPLE, every)).astype(np.int64))
    rows, windows = chosen // len(WINDOWS), chosen % len(WINDOWS)
    parts = []
    for some in np.split(np.arange(len(chosen)), range(CHUNK, len(chosen), CHUNK)):
        taken = thumbnails.take(rows[some])
        for window in np.unique(windows[some]).tolist():
            own = windows[some] == window
            pictures = details(taken[own], WINDOWS[window].scale)
            parts.append(_unchanged(sampler.rings(pictures, rows[some][own], window)))
    values = np.concatenate(parts)
    mean = values.mean(axis=0)
    _, sizes, axes = np.linalg.svd(values - mean, full_matrices=False)
    deviation = np.maximum(sizes[:BITS] / np.sqrt(len(values)), 1e-3)
    kept = np.zeros((values.shape[1], BITS), np.float32)
    kept[:, : len(deviation)] = (axes[:BITS] / deviation[:, None]).T
    return mean, kept


def _best(found: list[Candidates], most: int) -> Candidates:
    """Each pair once, with the least doubt; of very many pairs those with the least."""
    every = _joined(found)
    order = np.lexsort((every.doubt, every.part, every.whole))
    whole, part = every.whole[order], every.part[order]
    first = np.ones(len(order), bool)
    first[1:] = (whole[1:] != whole[:-1]) | (part[1:] != part[:-1])
    rows = order[first]
    return every.take(rows[np.argsort(every.doubt[rows], kind="stable")[:most]])


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(*(np.concatenate([getattr(each, name) for each in parts]) for name in Candidates.names()))
