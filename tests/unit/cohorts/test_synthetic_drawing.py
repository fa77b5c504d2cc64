"""Images and masks of the synthetic cohort."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from leukoflow.cohorts.optics import FIELD
from leukoflow.cohorts.synthetic import Drawing, damage, draw, encode, encode_mask, plan, rows
from leukoflow.cohorts.synthetic_cells import TRAITS
from leukoflow.config.cohorts import SyntheticCohort


def cohort(
    size: int = 96, images: int = 24, patients: int = 4, site: str = "home", **faults: object
) -> SyntheticCohort:
    settings = {"kind": "synthetic", "images": images, "patients": patients, "size": size, "site": site}
    return SyntheticCohort.model_validate({**settings, "faults": faults})


def decoded(data: bytes) -> NDArray | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) if data else None


def whole_cells(mask: NDArray) -> list[int]:
    edge = {int(k) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]) for k in np.unique(side >> 1)}
    return [k for k in range(1, int(mask.max() >> 1) + 1) if k not in edge]


@pytest.mark.parametrize("size", [32, 96, 300])
@pytest.mark.parametrize("site", ["home", "away"])
def test_every_image_has_a_mask_of_whole_numbered_cells(size: int, site: str) -> None:
    settings = cohort(size, images=8, site=site)
    for row in rows(plan(settings)):
        drawing = draw(settings, row)
        assert drawing.image.shape == (size, size, 3) and drawing.image.dtype == np.uint8
        assert drawing.mask.shape == (size, size) and drawing.mask.dtype == np.uint16
        cells = np.unique(drawing.mask[drawing.mask > 0] >> 1)
        assert cells.tolist() == list(range(1, len(cells) + 1)) and len(cells)
        assert whole_cells(drawing.mask)
        # Within a cell the nucleus is darker than empty glass, in green above all.
        green = drawing.image[:, :, 1].astype(float)
        assert green[(drawing.mask & 1) == 1].mean() < 0.75 * np.percentile(green, 95)


def test_an_image_depends_on_its_row_alone() -> None:
    settings = cohort(near_duplicates=0.3, scale_bars={"Pre": 1.0})
    table = plan(settings)
    forwards = [encode(draw(settings, row)) for row in rows(table)]
    backwards = [encode(draw(settings, row)) for row in rows(table.iloc[::-1])]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) == len(forwards)


def test_seed_and_site_change_every_image() -> None:
    first = cohort(images=4)
    for other in (first.model_copy(update={"seed": 1}), first.model_copy(update={"site": "away"})):
        for here, there in zip(rows(plan(first)), rows(plan(other)), strict=True):
            assert encode(draw(first, here)) != encode(draw(other, there))


def test_cells_measure_what_the_traits_say() -> None:
    settings = cohort(224, images=48, patients=24)
    area_per_pixel = (FIELD["home"] / 224) ** 2
    measured: dict[str, list[tuple[float, float]]] = {label: [] for label in TRAITS}
    for row in rows(plan(settings)):
        mask = draw(settings, row).mask
        for k in whole_cells(mask):
            cell, nucleus = float((mask >> 1 == k).sum()), float((mask == 2 * k + 1).sum())
            measured[row.label].append((2 * np.sqrt(cell * area_per_pixel / np.pi), nucleus / cell))
    for label, traits in TRAITS.items():
        diameter, ratio = np.mean(measured[label], axis=0)
        assert diameter == pytest.approx(traits.diameter, rel=0.08)
        assert ratio == pytest.approx(traits.nuclear_ratio, abs=0.05)


def test_confounding_changes_the_stain_and_not_a_cell() -> None:
    plain, confounded = cohort(), cohort(stain_confounding=1.0)
    changes = []
    for row in list(rows(plan(plain)))[::5]:
        first, second = draw(plain, row), draw(confounded, row)
        assert np.array_equal(first.mask, second.mask)
        changes.append(np.abs(first.image.astype(int) - second.image).mean())
    assert np.mean(changes) > 4


def test_exact_copies_are_the_same_bytes_and_near_ones_almost_the_same_picture() -> None:
    settings = cohort(128, exact_duplicates=0.2, near_duplicates=0.3)
    table = list(rows(plan(settings)))
    for row in table:
        if row.duplicate_of < 0:
            continue
        copy, original = draw(settings, row), draw(settings, table[row.duplicate_of])
        if row.duplicate_kind == "exact":
            assert encode(copy) == encode(original) and encode_mask(copy) == encode_mask(original)
        else:
            assert encode(copy) != encode(original)
            small = [
                cv2.resize(drawing.image[:, :, 1], (32, 32), interpolation=cv2.INTER_AREA)
                for drawing in (copy, original)
            ]
            assert np.corrcoef(small[0].ravel(), small[1].ravel())[0, 1] > 0.95
            assert ((copy.mask > 0) == (original.mask > 0)).mean() > 0.95


def test_the_scale_bar_is_red_at_the_lower_right_and_only_there() -> None:
    bare, barred = cohort(224, images=4), cohort(224, images=4, scale_bars={"Benign": 1.0})
    first, second = (draw(planned, next(rows(plan(planned)))).image.astype(int) for planned in (bare, barred))
    changed = np.argwhere((first != second).any(axis=2))
    assert len(changed) > 30 and changed.min(axis=0)[0] > 190 and changed.min(axis=0)[1] > 170
    red = second[:, :, 0] - second[:, :, 1:].max(axis=2)
    assert (red[200:, 180:] > 120).sum() >= 30


def test_files_are_jpeg_and_sixteen_bit_png() -> None:
    settings = cohort(images=4)
    drawing = draw(settings, next(rows(plan(settings))))
    image, mask = decoded(encode(drawing)), decoded(encode_mask(drawing))
    assert image is not None and mask is not None
    assert encode(drawing)[:2] == b"\xff\xd8"
    assert np.abs(image[:, :, ::-1].astype(int) - drawing.image).mean() < 4
    assert mask.dtype == np.uint16 and np.array_equal(mask, drawing.mask)


def test_damage() -> None:
    data = encode(Drawing(np.full((64, 64, 3), 200, np.uint8), np.zeros((64, 64), np.uint16), 90))
    assert damage(data, "") == data
    assert damage(data, "truncated") == data[: len(data) // 3]
    assert damage(data, "empty") == b""
    assert decoded(damage(data, "text")) is None
