"""How well a score tells images of another kind from test images, and what a threshold would refuse."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.stats.bootstrap import interval, replicates, wilson_interval

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
    test_groups = _groups(_images(test))
    kinds = [("test", name, part) for name, part in test.groupby("kind", sort=False)]
    kinds += [("external", name, part) for name, part in _role(table, "external").groupby("kind", sort=False)]
    drawn = _role(table, "non-smear")
    kinds += [("non-smear", NON_SMEARS, drawn)] if len(drawn) else []
    kinds += [("non-smear", name, part) for name, part in drawn.groupby("kind", sort=False)]
    for role, name, part in kinds:
        groups = _groups(_images(part))
        counts, number = _drawn(groups, settings), int(groups.max()) + 1
        pair = _drawn_both(test_groups, groups, settings)
        facts = {**run.columns(), "role": role, "kind": name, "images": len(groups), "groups": number}
        facts["test_images"] = len(_images(test))
        for score, limit in thresholds.items():
            values = part.loc[part["score"] == score, "value"].to_numpy(float)
            row = facts | {"score": score, "threshold": limit} | _refused(values > limit, counts, number, settings)
            if role != "test":
                base = test.loc[test["score"] == score, "value"].to_numpy(float)
                row |= _told_apart(base, values, pair, number, settings)
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _role(table: pd.DataFrame, role: str) -> pd.DataFrame:
    return table[table["role"] == role]


def _images(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each image: those of the first score, as each score has the same images in the same order."""
    return table[table["score"] == table["score"].iloc[0]]


def _drawn(groups: np.ndarray, settings: Evaluation, *stream: str) -> np.ndarray:
    """How often each image [n] counts, drawn with its group: [n, 1 + R + U], as `bootstrap.replicates`."""
    return replicates(lambda counts: counts[groups], int(groups.max()) + 1, settings, *stream)


@dataclass(frozen=True)
class _Pair:
    """How often each test image and each image of another kind counts: both drawn, then units of one left out."""

    test: np.ndarray
    novel: np.ndarray
    parts: tuple[int, int]
    """Columns in which units of the test images, and of the others, are left out."""


def _drawn_both(test: np.ndarray, novel: np.ndarray, settings: Evaluation) -> _Pair:
    """From the groups of the images of each kind, [n] and [m]."""
    counts = _drawn(test, settings, "test"), _drawn(novel, settings)
    drawn = 1 + settings.resamples
    first, second = (count.shape[1] - drawn for count in counts)
    whole = np.ones((len(test), second)), np.ones((len(novel), first))
    return _Pair(
        np.concatenate([counts[0], whole[0]], axis=1),
        np.concatenate([counts[1][:, :drawn], whole[1], counts[1][:, drawn:]], axis=1),
        (first, second),
    )


def _refused(above: np.ndarray, counts: np.ndarray, groups: int, settings: Evaluation) -> dict[str, float]:
    with np.errstate(invalid="ignore"):
        return _limits("refused", above * 1.0 @ counts / counts.sum(0), groups, settings)


def _told_apart(
    base: np.ndarray, novel: np.ndarray, drawn: _Pair, groups: int, settings: Evaluation
) -> dict[str, float]:
    auroc, passed = compare(base, drawn.test, novel, drawn.novel)
    return _limits("auroc", auroc, groups, settings, drawn.parts) | _limits(
        "fpr95", passed, groups, settings, drawn.parts
    )


def _groups(table: pd.DataFrame) -> np.ndarray:
    return pd.factorize(table["group"].fillna(table["image_id"]))[0]


def _limits(
    name: str, columns: np.ndarray, groups: int, settings: Evaluation, parts: Sequence[int] = ()
) -> dict[str, float]:
    """If no resample could change a share, Wilson's interval for as many as there are groups."""
    value = float(columns[0])
    low, high = (float(limit) for limit in interval(settings, columns, parts))
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
