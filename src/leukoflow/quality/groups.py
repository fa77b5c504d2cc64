"""Groups of images that belong together: duplicates of each other, and images acquired alike."""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import AgglomerativeClustering, MiniBatchKMeans

MOST_AGGLOMERATED = 5000
"""Images of one class beyond which k-means in batches stands in for Ward's clustering, whose cost is quadratic."""

BLOCK = 1024
"""Images that are compared with all others at a time."""

LEAST_TOGETHER = 8
"""Images to a cluster, at least on average: in clusters of one nothing is kept together."""


def duplicate_groups(images: pd.DataFrame, duplicates: pd.DataFrame) -> np.ndarray:
    """Name of the set of duplicates of each image, object [n]: `COHORT/IMAGE` of its first member.

    images: cohort, image_id. duplicates: cohort_a, image_a, cohort_b, image_b; chains of pairs are one set.
    """
    position = pd.Series(np.arange(len(images)), index=pd.MultiIndex.from_frame(images[["cohort", "image_id"]]))
    ends = [
        position.loc[list(zip(duplicates[f"cohort_{side}"], duplicates[f"image_{side}"], strict=True))].to_numpy()
        if len(duplicates)
        else np.empty(0, np.int64)
        for side in "ab"
    ]
    links = coo_array((np.ones(len(duplicates)), (ends[0], ends[1])), shape=(len(images), len(images)))
    _, labels = connected_components(links, directed=False)
    names = (images["cohort"] + "/" + images["image_id"]).to_numpy(object)
    _, first = np.unique(labels, return_index=True)
    return names[first][labels]


def linked_pairs(values: np.ndarray, similarity: float) -> np.ndarray:
    """Pairs of rows whose cosine, less the mean of all rows, is at least `similarity`: int64 [k, 2], first < second.

    values: float32 [n, D]. A row that does not differ from the mean is like no other.
    """
    centred = values - values.mean(axis=0, dtype=np.float64)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0).astype(np.float32)
    parts = [np.empty((0, 2), np.int64)]
    for start in range(0, len(unit), BLOCK):
        rows, others = np.nonzero(unit[start : start + BLOCK] @ unit[start:].T >= similarity)
        pairs = np.column_stack([rows, others]) + start
        parts.append(pairs[pairs[:, 0] < pairs[:, 1]])
    return np.concatenate(parts)


def acquisition_groups(images: pd.DataFrame, stain: tuple[str, ...], clusters_per_class: int) -> np.ndarray:
    """What was acquired together, object [n]: `slide:ID` where slides are known, else `LABEL-CLUSTER`.

    images (one cohort): label, slide (both nullable) and the columns of `stain`, which are standardised over the cohort
    and clustered within each label (Ward's method; k-means in batches for very large classes). Images without a label
    are clustered together.
    """
    names = np.empty(len(images), object)
    known = images["slide"].notna().to_numpy()
    names[known] = "slide:" + images["slide"][known].astype(str)
    values = images[list(stain)].to_numpy(float)
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    labels = images["label"].fillna("unlabelled").astype(str).to_numpy(object)
    for label in np.unique(labels[~known].astype(str)):
        rows = np.flatnonzero(~known & (labels == label))
        numbers = _cluster(values[rows], min(clusters_per_class, len(rows) // LEAST_TOGETHER))
        names[rows] = [f"{label}-{number:03d}" for number in numbers]
    return names


def _cluster(values: np.ndarray, count: int) -> np.ndarray:
    """Cluster number of each row, numbered by first appearance."""
    if count < 2:
        return np.zeros(len(values), int)
    if len(values) <= MOST_AGGLOMERATED:
        clusters = AgglomerativeClustering(count, linkage="ward").fit_predict(values)
    else:
        clusters = MiniBatchKMeans(count, random_state=0, n_init=3, batch_size=4096).fit_predict(values)
    return pd.factorize(clusters)[0]
