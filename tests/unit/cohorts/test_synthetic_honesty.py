"""What gives the class of a synthetic image away: morphology always, colour only if confounding is planted."""

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score

from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort


def lab(image: NDArray) -> NDArray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2LAB)


def colour_histogram(image: NDArray) -> NDArray:
    """48 bins of L, a, b."""
    return np.concatenate([np.histogram(channel, 16, (0, 256))[0] for channel in np.moveaxis(lab(image), 2, 0)])


def morphology(image: NDArray, mask: NDArray) -> list[float]:
    """Mean area, N:C ratio and chromatin contrast (coarse, fine, brightest spots) of the cells wholly in sight."""
    lightness = lab(image)[:, :, 0].astype(np.float32)
    coarse = cv2.GaussianBlur(lightness, (0, 0), 1.0)
    edge = {int(k) for side in (mask[0], mask[-1], mask[:, 0], mask[:, -1]) for k in np.unique(side >> 1)}
    cells = []
    for k in set(range(1, int(mask.max() >> 1) + 1)) - edge:
        nucleus = (mask == 2 * k + 1).astype(np.uint8)
        area, inner = float((mask >> 1 == k).sum()), cv2.erode(nucleus, np.ones((5, 5), np.uint8)) > 0
        if inner.sum() > 10:
            spots = np.percentile(lightness[inner], 97) - np.median(lightness[inner])
            cells.append([area, nucleus.sum() / area, coarse[inner].std(), (lightness - coarse)[inner].std(), spots])
    return [float(value) for value in np.mean(cells, axis=0)] if cells else [0.0] * 5


def grouped_accuracy(features: list, labels: list[str], patients: list[str]) -> float:
    forest = RandomForestClassifier(100, random_state=0)
    folds = StratifiedGroupKFold(4, shuffle=True, random_state=0)
    return float(cross_val_score(forest, np.array(features), labels, groups=patients, cv=folds).mean())


def drawn(confounding: float) -> tuple[list, list, list[str], list[str]]:
    settings = {"kind": "synthetic", "images": 128, "patients": 16, "size": 128}
    cohort = SyntheticCohort.model_validate({**settings, "faults": {"stain_confounding": confounding}})
    planned = list(rows(plan(cohort)))
    drawings = [draw(cohort, row) for row in planned]
    colours = [colour_histogram(drawing.image) for drawing in drawings]
    shapes = [morphology(drawing.image, drawing.mask) for drawing in drawings]
    return colours, shapes, [row.label for row in planned], [row.patient for row in planned]


def test_without_confounding_morphology_tells_the_class_and_colour_hardly_does() -> None:
    colours, shapes, labels, patients = drawn(0.0)
    assert grouped_accuracy(colours, labels, patients) < 0.55
    assert grouped_accuracy(shapes, labels, patients) > 0.80


def test_with_confounding_colour_tells_the_class() -> None:
    colours, _, labels, patients = drawn(1.0)
    assert grouped_accuracy(colours, labels, patients) > 0.90
