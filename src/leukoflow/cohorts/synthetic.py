"""The synthetic cohort: a plan of patients, slides, images and planted faults, and the drawing of any image of it.

The plan follows from the settings alone, and an image from its row of the plan alone: a shard drawn by itself has the
same bytes as in a whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from leukoflow.cohorts.optics import FIELD, burn_scale_bar, draw_slide, photograph
from leukoflow.cohorts.smear import draw_field
from leukoflow.cohorts.synthetic_cells import LABELS, draw_cells
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import generator

MAX_CELLS = 14
SECOND_SLIDE = 4
"""Fewest images of a patient that may come from two slides."""


@dataclass(frozen=True)
class Planned:
    """One row of the plan."""

    index: int
    path: str
    label: str
    patient: str
    slide: str
    site: str
    mask: str
    duplicate_of: int
    """Index of the image that this one copies (an image of the same slide), -1 for none."""
    duplicate_kind: str
    """`exact`, `near`, `augmented`, or empty."""
    scale_bar: bool
    corrupt: str
    """`truncated`, `empty`, `text`, or empty."""


@dataclass(frozen=True)
class Drawing:
    """One image of the cohort, ready to be encoded."""

    image: NDArray[np.uint8]
    """RGB uint8 [H, W, 3]."""
    mask: NDArray[np.uint16]
    """uint16 [H, W]: 0 background, 2 k + 1 nucleus and 2 k cytoplasm of white cell k = 1, 2, ..."""
    quality: int
    """JPEG quality that the slide's camera uses."""


def plan(cohort: SyntheticCohort) -> pd.DataFrame:
    """The cohort's images, one row each with the fields of `Planned`, sorted by path.

    Images are spread evenly over the four classes and then over the class's patients. Copies stay on their slide, and
    every slide keeps one original, so there are at most images - slides of them. Damaged files are taken from
    those without a copy as long as there are any. Raises LeukoFlowError for a scale bar asked of an unknown class.
    """
    unknown = sorted(set(cohort.faults.scale_bars) - set(LABELS))
    if unknown:
        raise LeukoFlowError(f"faults.scale_bars: no class is called {unknown[0]!r}; use {', '.join(LABELS)}")
    table = _people(cohort)
    _plant_copies(table, cohort)
    _plant_scale_bars(table, cohort)
    _plant_damage(table, cohort)
    return table[[field.name for field in fields(Planned)]]


def rows(table: pd.DataFrame) -> Iterator[Planned]:
    """The rows of a plan, or of a part of one."""
    for values in table.itertuples(index=False, name=None):
        yield Planned(*values)


def _people(cohort: SyntheticCohort) -> pd.DataFrame:
    """Images by class, patient and slide, without faults; the index follows the order of the paths."""
    rows, digits = [], max(2, len(str(cohort.patients - 1)))
    for k, label in enumerate(LABELS):
        images = range(cohort.images * k // 4, cohort.images * (k + 1) // 4)
        people = range(cohort.patients * k // 4, cohort.patients * (k + 1) // 4)
        shares = np.array_split(np.array(images), len(people))
        for person, share in zip(people, shares, strict=True):
            patient = f"p{person:0{digits}d}"
            two = len(share) >= SECOND_SLIDE and generator(cohort.seed, cohort.site, "slides", patient).random() < 0.5
            for number, part in enumerate(np.array_split(share, 2 if two else 1), start=1):
                rows += [(int(index), label, patient, f"{patient}_s{number}") for index in part]
    table = pd.DataFrame(rows, columns=["index", "label", "patient", "slide"])
    width = max(5, len(str(cohort.images - 1)))
    stems = [f"{label}/{label.lower()}_{slide}_{index:0{width}d}" for index, label, _, slide in rows]
    paths, masks = [f"images/{stem}.jpg" for stem in stems], [f"masks/{stem}.png" for stem in stems]
    return table.assign(path=paths, mask=masks, site=cohort.site)


def _plant_copies(table: pd.DataFrame, cohort: SyntheticCohort) -> None:
    """Choose copies and what they copy (columns `duplicate_of`, `duplicate_kind`)."""
    rng = generator(cohort.seed, cohort.site, "copies")
    n = len(table)
    faults = cohort.faults
    shares = (faults.exact_duplicates, faults.near_duplicates, faults.augmented_duplicates)
    counts = [round(share * n) for share in shares]
    slide = pd.factorize(table["slide"])[0]  # 0, 1, ... in the order of the rows: a slide's rows are together
    first, count = np.unique(slide, return_index=True, return_counts=True)[1:]
    sure = first + rng.integers(count)  # stays an original, so that each slide has one
    order = rng.permutation(n)
    copies = order[~np.isin(order, sure)][: sum(counts)]
    originals = np.setdiff1d(np.arange(n), copies)
    first, count = np.unique(slide[originals], return_index=True, return_counts=True)[1:]
    source, kind = np.full(n, -1), np.full(n, "", dtype=object)
    source[copies] = originals[first[slide[copies]] + rng.integers(count[slide[copies]])]
    # Each kind gets its share where a small cohort has too few images for all the copies asked for.
    places = np.arange(len(copies)) * sum(counts) // max(1, len(copies))
    kinds = np.array(["exact", "near", "augmented"], object)
    kind[copies] = kinds[np.searchsorted(np.cumsum(counts), places, side="right")]
    table["duplicate_of"], table["duplicate_kind"] = source, kind


def _plant_scale_bars(table: pd.DataFrame, cohort: SyntheticCohort) -> None:
    """Choose the images with a burnt-in bar (column `scale_bar`); copies have what their original has."""
    bar = np.zeros(len(table), bool)
    labels, source = table["label"].to_numpy(), table["duplicate_of"].to_numpy()
    for label, fraction in cohort.faults.scale_bars.items():
        originals = np.flatnonzero((labels == label) & (source < 0))
        chosen = generator(cohort.seed, cohort.site, "scale bars", label).permutation(originals)
        bar[chosen[: round(fraction * len(originals))]] = True
    table["scale_bar"] = np.where(source >= 0, bar[source], bar)


def _plant_damage(table: pd.DataFrame, cohort: SyntheticCohort) -> None:
    """Choose the damaged files and how each is damaged (column `corrupt`)."""
    rng = generator(cohort.seed, cohort.site, "damage")
    source = table["duplicate_of"].to_numpy()
    paired = (source >= 0) | np.isin(np.arange(len(table)), source)
    order = rng.permutation(len(table))
    order = order[np.argsort(paired[order], kind="stable")][: round(cohort.faults.corrupt * len(table))]
    corrupt = np.full(len(table), "", dtype=object)
    corrupt[order] = np.resize(np.array(["truncated", "empty", "text"], dtype=object), len(order))
    table["corrupt"] = corrupt


def draw(cohort: SyntheticCohort, row: Planned) -> Drawing:
    """Draw one image of the plan; `row` is one of `rows(plan(cohort))`.

    A near copy is its original decoded from JPEG, moved by up to 0.6 % of the side, rescaled by up to 1 % and encoded
    with another quality. An augmented copy is decoded likewise, and then either mirrored or turned by quarter turns, or
    turned by 5 to 20 degrees, or cropped to 85 to 95 % of the side; or two of these.
    """
    if row.duplicate_kind == "exact":
        return _draw_original(cohort, row, row.duplicate_of)
    if row.duplicate_kind == "near":
        return _near_copy(cohort, _draw_original(cohort, row, row.duplicate_of), row.index)
    if row.duplicate_kind == "augmented":
        return _augmented_copy(cohort, _draw_original(cohort, row, row.duplicate_of), row.index)
    return _draw_original(cohort, row, row.index)


def _draw_original(cohort: SyntheticCohort, row: Planned, index: int) -> Drawing:
    seed, site = cohort.seed, cohort.site
    slide = draw_slide(seed, site, row.label, row.patient, row.slide, cohort.faults.stain_confounding)
    rng = generator(seed, site, "image", index)
    count = int(np.clip(rng.poisson(slide.cellularity), 1, MAX_CELLS))
    cells = draw_cells(row.label, count, generator(seed, site, "patient", row.patient), rng)
    pixels_per_um = cohort.size / FIELD[site]
    stain, mask = draw_field(slide, cells, cohort.size, pixels_per_um, rng)
    image = photograph(stain, slide, pixels_per_um, rng)
    return Drawing(burn_scale_bar(image, pixels_per_um) if row.scale_bar else image, mask, slide.quality)


def _near_copy(cohort: SyntheticCohort, original: Drawing, index: int) -> Drawing:
    rng = generator(cohort.seed, cohort.site, "near copy", index)
    image = np.asarray(cv2.imdecode(np.frombuffer(encode(original), np.uint8), cv2.IMREAD_COLOR_RGB))
    zoom = 1 + rng.uniform(0.003, 0.01) * rng.choice([-1, 1])
    shift = rng.uniform(-0.006, 0.006, 2) * cohort.size
    middle = (cohort.size - 1) / 2
    matrix = np.array([[zoom, 0, middle * (1 - zoom) + shift[0]], [0, zoom, middle * (1 - zoom) + shift[1]]])
    quality = int(np.clip(original.quality + rng.choice([-10, -6, 4]), 60, 97))
    return Drawing(_move(image, matrix, cv2.INTER_CUBIC), _move(original.mask, matrix, cv2.INTER_NEAREST), quality)


def _augmented_copy(cohort: SyntheticCohort, original: Drawing, index: int) -> Drawing:
    rng = generator(cohort.seed, cohort.site, "augmented copy", index)
    image = np.asarray(cv2.imdecode(np.frombuffer(encode(original), np.uint8), cv2.IMREAD_COLOR_RGB))
    laid, turned, cropped = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1))[rng.integers(5)]
    position = int(rng.integers(1, 8)) * laid
    angle = np.radians(90 * (position // 2) + turned * rng.uniform(5, 20) * rng.choice([-1, 1]))
    zoom = 1 / rng.uniform(0.85, 0.95) if cropped else 1.0
    linear = zoom * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear[:, 0] *= -1 if position % 2 else 1
    middle = np.full(2, (cohort.size - 1) / 2)
    # What is cropped lies anywhere within the original.
    shift = (zoom - 1) * middle * rng.uniform(-1, 1, 2)
    matrix = np.column_stack([linear, middle - linear @ middle + shift])
    return Drawing(
        _move(image, matrix, cv2.INTER_CUBIC), _move(original.mask, matrix, cv2.INTER_NEAREST), original.quality
    )


def _move(image: NDArray, matrix: NDArray, interpolation: int) -> NDArray:
    area = (image.shape[1], image.shape[0])
    return cv2.warpAffine(image, matrix, area, flags=interpolation, borderMode=cv2.BORDER_REFLECT_101)


def encode(drawing: Drawing) -> bytes:
    """The drawing as JPEG at its own quality."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, drawing.quality]
    return cv2.imencode(".jpg", cv2.cvtColor(drawing.image, cv2.COLOR_RGB2BGR), flags)[1].tobytes()


def encode_mask(drawing: Drawing) -> bytes:
    """The mask as a single-channel 16-bit PNG."""
    return cv2.imencode(".png", drawing.mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def damage(data: bytes, kind: str) -> bytes:
    """An image file as its row's `corrupt` says: cut to its first third, empty, a text, or (empty string) as it is."""
    if kind == "truncated":
        return data[: len(data) // 3]
    return {"": data, "empty": b"", "text": b"This is not an image.\n"}[kind]
