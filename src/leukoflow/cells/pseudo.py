"""Pseudo-masks: what a trained segmenter says of images without masks, where it is confident.

Self-training in the sense of Lee 2013 (Pseudo-Label, ICML workshop on challenges in representation learning): labels of
high probability are learnt as if they were true, others are left out.
"""

import numpy as np

from leukoflow.cells.labels import BACKGROUND, CELL, CYTOPLASM, NUCLEUS, UNKNOWN


def pseudo_parts(chance: np.ndarray, confidence: float) -> np.ndarray:
    """Parts maps uint8 [n, S, S] of probabilities of cell and nucleus, float32 [n, 2, S, S].

    A pixel counts as background, cell or nucleus if that has at least the probability `confidence`; a cell's pixel
    whose nucleus is in doubt is a cell's pixel alone, and one that may be cell or not is not annotated.
    """
    cell, nucleus = chance[:, 0], chance[:, 1]
    doubt = 1 - confidence
    parts = np.full(cell.shape, UNKNOWN, np.uint8)
    parts[cell <= doubt] = BACKGROUND
    parts[cell >= confidence] = CELL
    parts[(cell >= confidence) & (nucleus <= doubt)] = CYTOPLASM
    parts[(cell >= confidence) & (nucleus >= confidence)] = NUCLEUS
    return parts


def certain_share(chance: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """Share of each image's pixels found to be cells (probability above 0.5) that are confidently so: float64 [n].

    chance, parts: as given to and by `pseudo_parts`. An image in which no cell is found has the share 0.
    """
    cells = chance[:, 0] > 0.5
    sure = (parts != BACKGROUND) & (parts != UNKNOWN)
    count = cells.sum(axis=(1, 2))
    return np.where(count > 0, (cells & sure).sum(axis=(1, 2)) / np.maximum(count, 1), 0.0)
