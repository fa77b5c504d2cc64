"""How well a score tells images of another kind from test images, and what a threshold would refuse."""

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.stats.bootstrap import percentile_interval, resample, wilson_interval

DETECTED = 0.95
"""Share of test images accepted where the share of novel images accepted is given."""
NON_SMEARS = "non-smears"
COLUMNS = [
    *RUN_COLUMNS, "score", "role", "kind", "images", "groups", "test_images", "auroc", "auroc_low", "auroc_high",
    "fpr95", "fpr95_low", "fpr95_high", "refused", "refused_low", "refused_high", "threshold",
]  # fmt: skip


def detection(run: Run, table: pd.DataFrame, thresholds: dict[str, float], settings: Evaluation) -> pd.DataFrame:
    """One row for each score and kind of image, `COLUMNS`.

    table: a run's novelty.parquet (score, role, kind, group, value). The test images come first, refused alone; then
    each external cohort, all non-smears together, and each kind of them. AUROC is the chance that an image of the kind
    is stranger than a test image. `fpr95`: share of the kind still accepted where 95 % of the test images are.
    `refused`: share above the threshold, which accepts the wanted share of validation images. Intervals are over
    groups of both.
    """
    rows, test = [], table[table["role"] == "test"]
    test_counts = _drawn(_groups(_images(test)), settings, "test")
    kinds = [("test", name, each) for name, each in test.groupby("kind", sort=False)]
    kinds += [("external", name, each) for name, each in _role(table, "external").groupby("kind", sort=False)]
    drawn = _role(table, "non-smear")
    kinds += [("non-smear", NON_SMEARS, drawn)] if len(drawn) else []
    kinds += [("non-smear", name, each) for name, each in drawn.groupby("kind", sort=False)]
    for role, name, each in kinds:
        groups = _groups(_images(each))
        counts = _drawn(groups, settings)
        number = int(groups.max()) + 1
        facts = {**run.columns(), "role": role, "kind": name, "images": len(groups), "groups": number}
        facts["test_images"] = len(_images(test))
        for score, limit in thresholds.items():
            values = each.loc[each["score"] == score, "value"].to_numpy(float)
            row = facts | {"score": score, "threshold": limit} | _refused(values > limit, counts, number, settings)
            if role != "test":
                base = test.loc[test["score"] == score, "value"].to_numpy(float)
                row |= _told_apart(base, test_counts, values, counts, number, settings)
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _role(table: pd.DataFrame, role: str) -> pd.DataFrame:
    return table[table["role"] == role]


def _images(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each image: those of the first score, as each score has the same images in the same order."""
    return table[table["score"] == table["score"].iloc[0]]


def _drawn(groups: np.ndarray, settings: Evaluation, *stream: str) -> np.ndarray:
    """How often each image is drawn with its group: [n, resamples]."""
    return resample(lambda counts: counts[groups], int(groups.max()) + 1, settings.resamples, settings.seed, *stream)


def _refused(above: np.ndarray, counts: np.ndarray, groups: int, settings: Evaluation) -> dict[str, float]:
    low, high = percentile_interval((above * 1.0 @ counts / counts.sum(0))[None], settings.confidence)
    return _limits("refused", float(above.mean()), low[0], high[0], groups, settings)


def _told_apart(
    base: np.ndarray, base_counts: np.ndarray, novel: np.ndarray, counts: np.ndarray, groups: int, settings: Evaluation
) -> dict[str, float]:
    auroc, passed = compare(base, np.ones((len(base), 1)), novel, np.ones((len(novel), 1)))
    low, high = percentile_interval(np.stack(compare(base, base_counts, novel, counts)), settings.confidence)
    row = _limits("auroc", float(auroc[0]), low[0], high[0], groups, settings)
    return row | _limits("fpr95", float(passed[0]), low[1], high[1], groups, settings)


def _groups(table: pd.DataFrame) -> np.ndarray:
    return pd.factorize(table["group"].fillna(table["image_id"]))[0]


def _limits(name: str, value: float, low: float, high: float, groups: int, settings: Evaluation) -> dict[str, float]:
    """Where no resample could change a share, Wilson's interval for as many as there are groups."""
    if value in (0.0, 1.0):
        low, high = wilson_interval(value * groups, groups, settings.confidence)
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def compare(
    test: np.ndarray, test_weights: np.ndarray, novel: np.ndarray, novel_weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """AUROC and share of novel images accepted where `DETECTED` of the test images are: float64 [R] each.

    test [n], novel [m]: scores, larger is stranger; weights [n, R] and [m, R]. Ties count half in the AUROC.
    """
    order = np.argsort(test, kind="stable")
    ranks = test[order]
    seen = np.concatenate([np.zeros((1, test_weights.shape[1])), np.cumsum(test_weights[order], axis=0)])
    total = seen[-1]
    left, right = np.searchsorted(ranks, novel, "left"), np.searchsorted(ranks, novel, "right")
    below = (seen[left] + seen[right]) / 2
    auroc = (below * novel_weights).sum(0) / (total * novel_weights.sum(0))
    limit = ranks[np.minimum((seen[1:] < DETECTED * total - 1e-9).sum(0), len(ranks) - 1)]
    places = np.argsort(novel, kind="stable")
    accepted = np.concatenate([np.zeros((1, novel_weights.shape[1])), np.cumsum(novel_weights[places], axis=0)])
    reached = np.searchsorted(novel[places], limit, "right")
    return auroc, accepted[reached, np.arange(len(reached))] / accepted[-1]
