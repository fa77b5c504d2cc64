"""The order in which features are taken: mRMR and what it is compared with."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.feature_selection import chi2
from sklearn.linear_model import LassoCV, LogisticRegression
from sklearn.model_selection import StratifiedKFold

from leukoflow.config.features import Selection
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import generator
from leukoflow.features import pymrmr_backend
from leukoflow.features.discretise import three_states
from leukoflow.features.mrmr import by_correlation, by_information, difference, quotient
from leukoflow.features.relevance import f_statistic, standardise

_COLUMNS = 512
_ITERATIONS = 1000


@dataclass(frozen=True)
class Ranking:
    """The k best features, or the k first principal components."""

    order: np.ndarray
    """Columns, the best first, int64 [k]; for `pca` the components, 0 to k-1."""
    scores: np.ndarray
    """The method's score at the time of the choice, float64 [k]; NaN for constant features, which come last."""
    projection: np.ndarray | None = None
    """For `pca`, the components, float32 [D, k], the most variance first; else nothing."""

    def take(self, x: np.ndarray, k: int | None = None) -> np.ndarray:
        """The first k (or all) features float32 [n, k] of x float32 [n, D]; for `pca` x @ projection, not centred."""
        if self.projection is not None:
            return x @ self.projection[:, :k]
        return x[:, self.order[:k]]


def rank(x: np.ndarray, y: np.ndarray, selection: Selection, seed: int) -> Ranking:
    """Rank scaled training rows x float32 [n, D] for labels y int [n] by `selection.method`.

    - `mid`, `miq`: mRMR on states; floats are cut into three (`discretise.three_states`), integers taken as given.
    - `fcq`: mRMR by F over mean absolute correlation, in the order of the package mrmr-selection.
    - `anova`: by F. `chi2`: by chi-squared, each feature shifted so that its least training value is 0.
    - `lasso`: by |coefficient| of LassoCV on the label as a number, which treats classes as if they were ordered, as
      the public code of HybridCN-NAS does; its five folds are drawn by `seed` and stratified, so that it does not
      matter whether rows are sorted. Features without a coefficient follow in the order of their columns, at score 0.
    - `pca`: by share of variance; at most n components.
    - `importance`: by `softmax_importance`. `random`: drawn by `seed`. `none`: in the order of the columns. The last
      two have the score 0 throughout.

    Ties go to the lower column; constant features come last. There are min(selection.features, D) features in the
    ranking. Raises LeukoFlowError for missing or infinite values, fewer than two classes, or too few rows.
    """
    y = np.asarray(y)
    _check(x, y)
    labels = np.unique(y, return_inverse=True)[1]
    if selection.method == "pca":
        return _components(x, selection.features, seed)
    if np.issubdtype(x.dtype, np.integer) and selection.method in ("mid", "miq"):
        return rank_discrete(x, labels, selection)
    varying = np.flatnonzero(_varies(x))
    if len(varying) == 0:
        return _with_constants(varying, np.zeros(0), x.shape[1], selection.features)
    inner = x[:, varying] if len(varying) < x.shape[1] else x
    k = min(selection.features, len(varying))
    if selection.method in ("mid", "miq"):
        order, scores = _information(three_states(inner), labels, selection, k)
    elif selection.method == "fcq":
        order, scores = by_correlation(inner, labels, k)
    elif selection.method == "anova":
        order, scores = _highest(f_statistic(standardise(inner), labels), k)
    elif selection.method == "chi2":
        order, scores = _highest(chi2(inner - inner.min(axis=0), labels)[0], k)
    elif selection.method == "importance":
        order, scores = _highest(softmax_importance(inner, labels), k)
    elif selection.method == "random":
        order, scores = generator(seed, "random features").permutation(len(varying))[:k], np.zeros(k)
    elif selection.method == "none":
        order, scores = np.arange(k), np.zeros(k)
    else:
        folds = list(StratifiedKFold(5, shuffle=True, random_state=seed).split(inner, labels))
        fitted = LassoCV(cv=folds).fit(inner.astype(np.float64), y)
        order, scores = _highest(np.abs(fitted.coef_), k)
    return _with_constants(varying[order], scores, x.shape[1], selection.features)


def softmax_importance(x: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Mean absolute SHAP value [D] of features x [n, D] in a linear softmax for labels int [n], over rows and classes.

    SHAP values of a linear model are w (x - mean x), features taken for independent (Lundberg and Lee 2017, arXiv
    1705.07874, corollary 1), so that the mean is |w| times the mean absolute deviation. The softmax has an L2 penalty
    (C = 1), which makes its weights unique.
    """
    values = x.astype(np.float64)
    fitted = LogisticRegression(max_iter=_ITERATIONS).fit(values, labels)
    spread = np.abs(values - values.mean(axis=0)).mean(axis=0)
    return np.asarray(np.abs(fitted.coef_).mean(axis=0) * spread)


def rank_discrete(codes: np.ndarray, y: np.ndarray, selection: Selection) -> Ranking:
    """Rank features that are states already, codes int [n, D] (at most 64 states each), by `mid` or `miq`.

    Raises LeukoFlowError for any other method, and as `rank` does.
    """
    if selection.method not in ("mid", "miq"):
        raise LeukoFlowError(f"selection.method: {selection.method} does not rank states; choose mid or miq")
    _check(codes, y)
    varying = np.flatnonzero(_varies(codes))
    order, scores = varying, np.zeros(0)
    if len(varying):
        k = min(selection.features, len(varying))
        order, scores = _information(codes[:, varying], np.unique(y, return_inverse=True)[1], selection, k)
    return _with_constants(varying[order], scores, codes.shape[1], selection.features)


def _information(codes: np.ndarray, labels: np.ndarray, selection: Selection, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Order and scores of varying codes [n, D] by the backend that the config names."""
    score = difference if selection.method == "mid" else quotient
    if selection.backend == "pymrmr":
        return pymrmr_backend.by_information(codes, labels, k, score)
    return by_information(codes, labels, k, score)


def _check(x: np.ndarray, y: np.ndarray) -> None:
    classes = len(np.unique(y))
    if x.ndim != 2 or len(x) != len(y) or x.shape[1] == 0:
        raise LeukoFlowError(f"features {list(x.shape)} do not fit {len(y)} labels; both need one row per image")
    if classes < 2 or len(y) <= classes:
        raise LeukoFlowError(f"features cannot be ranked on {len(y)} rows of {classes} classes; check the split")
    for start in range(0, x.shape[1], _COLUMNS):
        wrong = ~np.isfinite(x[:, start : start + _COLUMNS]).all(axis=0)
        if wrong.any():
            column = start + int(wrong.argmax())
            raise LeukoFlowError(f"feature {column} has missing or infinite values; scale the features first")


def _varies(x: np.ndarray) -> np.ndarray:
    """Which columns are not constant: bool [D]."""
    return x.min(axis=0) != x.max(axis=0)


def _highest(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest of scores [D], of equal ones the lower column first."""
    order = np.argsort(-scores, kind="stable")[:k]
    return order, scores[order]


def _with_constants(order: np.ndarray, scores: np.ndarray, width: int, features: int) -> Ranking:
    """The ranking, with as many constant columns behind it as it takes."""
    missing = min(features, width) - len(scores)
    if missing:
        rest = np.setdiff1d(np.arange(width), order)
        order = np.concatenate([order, rest[:missing]])
        scores = np.concatenate([scores, np.full(missing, np.nan)])
    return Ranking(order.astype(np.int64), scores.astype(np.float64))


def _components(x: np.ndarray, features: int, seed: int) -> Ranking:
    k = min(features, *x.shape)
    # The full decomposition: exact, whatever the number of threads; the randomised one would be neither.
    fitted = PCA(k, svd_solver="full", random_state=seed).fit(x)
    return Ranking(
        np.arange(k, dtype=np.int64),
        fitted.explained_variance_ratio_.astype(np.float64),
        np.ascontiguousarray(fitted.components_.T, dtype=np.float32),
    )
