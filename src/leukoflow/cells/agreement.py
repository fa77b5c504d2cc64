"""Agreement of segmentations: overlap of masks and of parts maps, and single cells matched one to one.

Masks are compared by Dice (1945) and the intersection over union (Jaccard 1912). Cells of two label maps are the same
cell where their intersection over union exceeds 0.5: then each has at most one partner (Kirillov et al. 2019,
arXiv 1801.00868), and TP / (TP + FP + FN) is the average precision of cell-segmentation benchmarks
(Caicedo et al. 2019, doi 10.1038/s41592-019-0612-7).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from leukoflow.cells.labels import CELL, NUCLEUS, UNKNOWN
from leukoflow.core.errors import LeukoFlowError


@dataclass(frozen=True)
class Overlap:
    """Overlap of two binary masks; both numbers 0..1, and NaN if both masks are empty: there is nothing to agree on."""

    dice: float
    """2 |A and B| / (|A| + |B|)."""
    iou: float
    """|A and B| / |A or B|."""


@dataclass(frozen=True)
class Matches:
    """Cells of one or more images, matched."""

    matched: int
    """Cells of the predicted label maps that have a partner (TP)."""
    extra: int
    """Predicted cells without one (FP)."""
    missed: int
    """True cells without one (FN)."""

    @property
    def ap50(self) -> float:
        """TP / (TP + FP + FN); NaN if there is no cell on either side, as for all of these."""
        return _ratio(self.matched, self.matched + self.extra + self.missed)

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 if nothing was predicted of what is there."""
        return 0.0 if self.missed and not self.matched + self.extra else _ratio(self.matched, self.matched + self.extra)

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 if something was predicted and nothing is there."""
        return (
            0.0 if self.extra and not self.matched + self.missed else _ratio(self.matched, self.matched + self.missed)
        )

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return _ratio(2 * self.matched, 2 * self.matched + self.extra + self.missed)

    @property
    def count_error(self) -> int:
        """Predicted less true cells."""
        return self.extra - self.missed


def overlap(predicted: np.ndarray, reference: np.ndarray, counted: np.ndarray | None = None) -> Overlap:
    """Overlap of two masks, bool [H, W], over the pixels `counted` (bool [H, W], all by default)."""
    _check(predicted, reference)
    if counted is not None:
        predicted, reference = predicted & counted, reference & counted
    both = int(np.count_nonzero(predicted & reference))
    total = int(np.count_nonzero(predicted)) + int(np.count_nonzero(reference))
    return Overlap(_ratio(2 * both, total), _ratio(both, total - both))


def parts_overlap(predicted: np.ndarray, reference: np.ndarray) -> dict[str, Overlap]:
    """Overlap of two parts maps, uint8 [H, W], by part: `cell` (1, 2, 3), and `nucleus` (2) where that is known.

    Pixels that are 255 in the reference do not count. A reference with pixels of unknown part (3) has no `nucleus`.
    """
    _check(predicted, reference)
    counted = reference != UNKNOWN
    scores = {"cell": overlap(_cell(predicted), _cell(reference), counted)}
    if not (reference == CELL).any():
        scores["nucleus"] = overlap(predicted == NUCLEUS, reference == NUCLEUS, counted)
    return scores


def match(predicted: np.ndarray, reference: np.ndarray, least: float = 0.5) -> Matches:
    """Match the cells (value // 2) of two label maps, uint16 [H, W], by an intersection over union above `least`.

    LeukoFlowError for a threshold below 0.5, where partners would not be unique.
    """
    if least < 0.5:
        raise LeukoFlowError(f"cells are matched from an overlap of 0.5 on, not {least}: partners would not be unique")
    iou = overlaps(predicted, reference)
    matched = int(np.count_nonzero(iou > least))
    return Matches(matched, iou.shape[0] - matched, iou.shape[1] - matched)


def overlaps(predicted: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Intersection over union of each predicted cell with each true one, float64 [P, T], in the order of their ids."""
    _check(predicted, reference)
    ids, one = np.unique(predicted >> 1, return_inverse=True)
    others, two = np.unique(reference >> 1, return_inverse=True)
    both = np.bincount(one.ravel() * len(others) + two.ravel(), minlength=len(ids) * len(others))
    both = both.reshape(len(ids), len(others))
    union = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    return (both / np.maximum(union, 1))[np.ix_(ids > 0, others > 0)]


def pooled(matches: Iterable[Matches]) -> Matches:
    """The matches of several images as if they were one."""
    several = list(matches)
    return Matches(*(sum(getattr(one, name) for one in several) for name in ("matched", "extra", "missed")))


def _cell(parts: np.ndarray) -> np.ndarray:
    return (parts > 0) & (parts != UNKNOWN)


def _ratio(part: int, whole: int) -> float:
    """part / whole; NaN for nothing of nothing."""
    return part / whole if whole else float("nan")


def _check(one: np.ndarray, two: np.ndarray) -> None:
    if one.shape != two.shape:
        raise LeukoFlowError(f"masks of different sizes cannot be compared: {list(one.shape)} and {list(two.shape)}")
