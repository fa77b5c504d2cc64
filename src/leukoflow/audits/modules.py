"""How far a change of the image reaches into the modules of a network: what a paper asks and does not define.

Khan et al. 2026 (doi 10.1177/20552076261428734) report mutual information and Frobenius norms of feature and attention
maps under noise, brightness and contrast, without saying of what, how estimated, or in which unit; among the norms is a
negative one. Here they are:

- mutual information: of the values of a module's feature maps [C, h, w] of an image and of the same image changed, over
  the C h w positions as pairs, in nats. Both are cut into 64 bins of equal width between their own least and largest
  value. `plain` is the estimate by frequencies, too large where pairs are few: unrelated maps have more than 0. In
  `information` that of the same values paired at random is taken off, so that unrelated maps have 0. `shared` is what
  is left of the largest possible value, that of the unchanged map with itself.
- Frobenius norm: of the difference between the module's attention (the gate of each channel, or the weights between
  positions) for the image and for the changed one; `relative` is that over the norm for the unchanged image. A norm
  cannot be negative.
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import entr

from leukoflow.core.runs import RUN_COLUMNS
from leukoflow.core.seeding import generator

BINS = 64
TINY = 1e-9
"""Information, in nats, that is rounding."""
MEASURES = ("information", "shared", "norm", "difference", "relative", "plain")
"""`information` and `plain` in nats; `norm` of the attention of the unchanged image; `difference` its Frobenius
distance."""
COLUMNS = [*RUN_COLUMNS, "module", "perturbation", "level", "images", "measure", "value", "low", "high"]
IMAGE_COLUMNS = [*RUN_COLUMNS, "module", "perturbation", "level", "image_id", *MEASURES]


def mutual_information(first: np.ndarray, second: np.ndarray, bins: int = BINS) -> float:
    """Mutual information of paired values [n], in nats, less that of the same values paired at random; at least 0."""
    return estimates(first, second, bins)[1]


def estimates(first: np.ndarray, second: np.ndarray, bins: int = BINS) -> tuple[float, float]:
    """The same as estimated by frequencies, and less that of random pairs."""
    a, b = (_binned(values, bins) for values in (first, second))
    at_random = b[generator(0, "modules", "pairs", len(b)).permutation(len(b))]
    plain = _information(a, b, bins)
    return plain, max(0.0, plain - _information(a, at_random, bins))


def _binned(values: np.ndarray, bins: int) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.zeros(values.size, np.int64)
    return np.minimum(((values.ravel() - low) * (bins / (high - low))).astype(np.int64), bins - 1)


def _information(a: np.ndarray, b: np.ndarray, bins: int) -> float:
    """Mutual information of paired bin numbers from their frequencies, in nats."""
    joint = np.bincount(a * bins + b, minlength=bins * bins).reshape(bins, bins) / len(a)
    entropies = [float(entr(frequencies).sum()) for frequencies in (joint.sum(1), joint.sum(0), joint)]
    return entropies[0] + entropies[1] - entropies[2]


def compared(maps: np.ndarray, changed_maps: np.ndarray, attention: np.ndarray, changed: np.ndarray) -> np.ndarray:
    """`MEASURES` [n, 6] for images: feature maps [n, ...] and attention [n, ...] of a module, unchanged and changed."""
    rows = []
    for one, other, before, after in zip(maps, changed_maps, attention, changed, strict=True):
        entropy = mutual_information(one.ravel(), one.ravel())
        plain, information = estimates(one.ravel(), other.ravel())
        norm, difference = float(np.linalg.norm(before)), float(np.linalg.norm(after - before))
        shared = min(1.0, information / entropy) if entropy > TINY else np.nan
        rows.append((information, shared, norm, difference, difference / norm if norm > 0 else np.nan, plain))
    return np.array(rows)


def rows_of(module: str, family: str, level: float, measured: np.ndarray) -> Sequence[dict[str, object]]:
    """Rows of `COLUMNS` without the run's: median over images of each measure; its quartiles are low and high."""
    with warnings.catch_warnings():
        # A gate over a few positions has no information in it to share.
        warnings.filterwarnings("ignore", "All-NaN slice")
        low, middle, high = np.nanquantile(measured, [0.25, 0.5, 0.75], axis=0)
    facts = {"module": module, "perturbation": family, "level": level, "images": len(measured)}
    return [
        {**facts, "measure": name, "value": middle[index], "low": low[index], "high": high[index]}
        for index, name in enumerate(MEASURES)
    ]


def table_of(rows: Sequence[dict[str, object]], run_columns: dict[str, str | int]) -> pd.DataFrame:
    """`COLUMNS` of one run."""
    return pd.DataFrame(rows, columns=COLUMNS[len(RUN_COLUMNS) :]).assign(**run_columns)[COLUMNS]


def images_of(
    module: str, family: str, level: float, names: Sequence[str], measured: np.ndarray, columns: dict[str, str | int]
) -> pd.DataFrame:
    """`IMAGE_COLUMNS`: the measures [n, 6] of single images by their names [n]; columns: those of the run."""
    table = pd.DataFrame(measured, columns=list(MEASURES))
    table = table.assign(module=module, perturbation=family, level=level, image_id=list(names))
    return table.assign(**columns)[IMAGE_COLUMNS]
