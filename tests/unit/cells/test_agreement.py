"""Overlap and matching of segmentations, against plain loops and examples made by hand."""

import numpy as np
import pytest

from leukoflow.cells.agreement import Matches, match, overlap, overlaps, parts_overlap, pooled
from leukoflow.core.errors import LeukoFlowError


def blocks(*cells: tuple[int, int, int, int], side: int = 20) -> np.ndarray:
    """Label map with a cell for each (top, left, bottom, right); its first row is nucleus."""
    labels = np.zeros((side, side), np.uint16)
    for k, (top, left, bottom, right) in enumerate(cells, start=1):
        labels[top:bottom, left:right] = 2 * k
        labels[top, left:right] += 1
    return labels


def test_overlap_by_hand() -> None:
    one, two = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    one[0], two[0, :2], two[1, :2] = True, True, True
    agreement = overlap(one, two)
    assert agreement.dice == pytest.approx(2 * 2 / 8) and agreement.iou == pytest.approx(2 / 6)
    assert overlap(one, one).dice == overlap(one, one).iou == 1
    assert overlap(one, ~one).dice == overlap(one, ~one).iou == 0


def test_two_empty_masks_agree_and_one_empty_mask_does_not() -> None:
    empty, full = np.zeros((3, 3), bool), np.ones((3, 3), bool)
    assert np.isnan([overlap(empty, empty).dice, overlap(empty, empty).iou]).all()
    assert overlap(full, empty).dice == overlap(empty, full).iou == 0
    assert np.isnan(overlap(full, empty, counted=empty).dice)


@pytest.mark.parametrize("seed", range(4))
def test_overlap_of_parts_against_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    predicted = rng.integers(0, 3, (13, 17)).astype(np.uint8)
    reference = rng.choice(np.array([0, 1, 2, 255], np.uint8), (13, 17))
    scores = parts_overlap(predicted, reference)
    for part, codes in (("cell", {1, 2, 3}), ("nucleus", {2})):
        both = one = two = 0
        for p, r in zip(predicted.ravel().tolist(), reference.ravel().tolist(), strict=True):
            if r != 255:
                both, one, two = both + (p in codes and r in codes), one + (p in codes), two + (r in codes)
        assert scores[part].dice == pytest.approx(2 * both / (one + two))
        assert scores[part].iou == pytest.approx(both / (one + two - both))


def test_nucleus_is_not_scored_where_the_reference_does_not_know_it() -> None:
    reference = np.array([[0, 3], [3, 255]], np.uint8)
    scores = parts_overlap(np.array([[0, 1], [2, 2]], np.uint8), reference)
    assert set(scores) == {"cell"} and scores["cell"].dice == 1
    assert set(parts_overlap(reference, np.array([[0, 1], [2, 2]], np.uint8))) == {"cell", "nucleus"}


def test_matching_by_hand() -> None:
    truth = blocks((0, 0, 6, 6), (0, 10, 6, 16), (10, 0, 16, 6), (10, 10, 16, 16))
    # The first as it is, the second cut at half (not above 0.5), the third cut at four of six rows, one from nowhere.
    predicted = blocks((0, 0, 6, 6), (0, 10, 3, 16), (10, 0, 14, 6), (18, 18, 20, 20))
    matches = match(predicted, truth)
    assert matches == Matches(matched=2, extra=2, missed=2)
    assert matches.ap50 == pytest.approx(2 / 6) and matches.precision == matches.recall == matches.f1 == 0.5
    assert matches.count_error == 0
    assert match(predicted, truth, 0.7) == Matches(1, 3, 3)
    with pytest.raises(LeukoFlowError, match=r"0\.5"):
        match(predicted, truth, 0.3)


def test_merged_and_split_cells_are_wrong_on_both_sides() -> None:
    two, one = blocks((0, 0, 6, 6), (0, 6, 6, 12)), blocks((0, 0, 6, 12))
    assert match(one, two) == Matches(0, 1, 2) and match(one, two).count_error == -1
    assert match(two, one) == Matches(0, 2, 1) and match(two, one).count_error == 1


@pytest.mark.parametrize("seed", range(4))
def test_overlaps_against_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, two = ((rng.integers(0, 5, (9, 11)) * 2 + rng.integers(0, 2, (9, 11))).astype(np.uint16) for _ in range(2))
    two[two >= 8] = 20  # ids with a gap
    ious = overlaps(one, two)
    first, second = (sorted({int(v) // 2 for v in labels.ravel()} - {0}) for labels in (one, two))
    assert ious.shape == (len(first), len(second))
    for a, p in enumerate(first):
        for b, t in enumerate(second):
            here, there = one // 2 == p, two // 2 == t
            assert ious[a, b] == pytest.approx((here & there).sum() / (here | there).sum())


def test_part_and_numbering_do_not_matter() -> None:
    truth = blocks((0, 0, 6, 6), (0, 10, 6, 16))
    renumbered = blocks((0, 10, 6, 16), (0, 0, 6, 6))
    renumbered[renumbered > 0] |= 1
    assert match(renumbered, truth) == Matches(2, 0, 0)


def test_images_without_cells() -> None:
    nothing, some = blocks(), blocks((0, 0, 6, 6))
    empty = match(nothing, nothing)
    assert empty == Matches(0, 0, 0)
    assert np.isnan([empty.ap50, empty.precision, empty.recall, empty.f1]).all()
    assert match(some, nothing) == Matches(0, 1, 0) and match(nothing, some) == Matches(0, 0, 1)
    for wrong in (match(some, nothing), match(nothing, some)):
        assert wrong.ap50 == wrong.precision == wrong.recall == wrong.f1 == 0


def test_pooled_counts() -> None:
    assert pooled([Matches(1, 2, 3), Matches(4, 0, 1)]) == Matches(5, 2, 4)
    assert pooled([]) == Matches(0, 0, 0)


def test_sizes_must_agree() -> None:
    for compare in (overlap, parts_overlap, match):
        with pytest.raises(LeukoFlowError, match="different sizes"):
            compare(np.zeros((3, 4), np.uint16), np.zeros((4, 3), np.uint16))
