"""Local regression (loess), by which calibration is measured without bins."""

import numpy as np

PLACES = 200
"""Distinct places beyond which neighbouring points are joined before smoothing."""


def loess(
    x: np.ndarray, y: np.ndarray, at: np.ndarray, span: float = 0.75, weight: np.ndarray | None = None
) -> np.ndarray:
    """Local quadratic regression of y [n] on x [n] at places [m], by tricube weights over the nearest `span` of points.

    As loess of Cleveland and Devlin (1988, doi 10.1080/01621459.1988.10478639) and R's `loess(y ~ x)` with direct
    computation and no robustness steps. `weight` [n] counts each point that often (default once). Where the nearest
    share of points lies at a single place, the value is their mean.
    """
    weight = np.ones(len(x)) if weight is None else weight
    distance = np.abs(x[None, :] - at[:, None])
    order = np.argsort(distance, axis=1, kind="stable")
    reached = np.cumsum(weight[order], axis=1) >= np.floor(span * weight.sum() + 1e-5)
    last = order[np.arange(len(at)), np.argmax(reached, axis=1)]
    width = distance[np.arange(len(at)), last][:, None]
    scaled = np.divide(distance, width, out=np.full_like(distance, 2.0), where=width > 0)
    # A width of nothing leaves the points at this very place.
    kernel = np.where(width > 0, np.clip(1 - scaled**3, 0, None) ** 3, distance == 0) * weight
    offset = np.divide(x[None, :] - at[:, None], width, out=np.zeros_like(distance), where=width > 0)
    powers = np.stack([np.ones_like(offset), offset, offset**2])
    weighted = powers * kernel
    left = np.einsum("imn,jmn->mij", weighted, powers)
    right = np.einsum("imn,n->mi", weighted, y)
    return np.einsum("mj,mj->m", np.linalg.pinv(left, rcond=1e-10, hermitian=True)[:, 0], right)


def smoothed(p: np.ndarray, right: np.ndarray, span: float = 0.75) -> np.ndarray:
    """Smoothed frequency [n] of `right` [n] 0/1 at each predicted probability p [n], held within 0 and 1.

    Equal probabilities are one point; beyond `PLACES` distinct ones, neighbours are joined into that many points of
    equal number of images, and values between them are interpolated.
    """
    places, member = np.unique(p, return_inverse=True)
    if len(places) > PLACES:
        rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
        member = rank * PLACES // len(p)
    count = np.bincount(member).astype(float)
    x, y = np.bincount(member, p) / count, np.bincount(member, right) / count
    return np.interp(p, x, np.clip(loess(x, y, x, span, count), 0, 1))
