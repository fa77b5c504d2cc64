"""How strange an image is to a model, from its features and logits; larger is stranger.

`mahalanobis`: distance to the nearest class of the training images, with one shrunk covariance for all classes (Lee et
al. 2018, arXiv 1807.03888; Ledoit and Wolf 2004, doi 10.1016/S0047-259X(03)00096-4). `neighbours`: distance to the k-th
nearest training image, features scaled to length 1 (Sun et al. 2022, arXiv 2204.06507). `energy`: -log sum exp of the
logits (Liu et al. 2020, arXiv 2010.03759). `softmax`: 1 - the largest probability (Hendrycks and Gimpel 2017, arXiv
1610.02136).
"""

from dataclasses import dataclass

import numpy as np

SCORES = ("mahalanobis", "neighbours", "energy", "softmax")
BLOCK = 256
LEAST_VARIANCE = 1e-12


@dataclass(frozen=True)
class Reference:
    """What the training images looked like to the model."""

    means: np.ndarray
    """Mean features of each class that was there: float64 [K', D]."""
    axes: np.ndarray
    """Directions in which images of a class differ, of length 1: float64 [r, D]."""
    inverse: np.ndarray
    """1 / shrunk variance along each of them: float64 [r]."""
    rest: float
    """The same in every other direction."""
    bank: np.ndarray
    """Training features scaled to length 1: float64 [n, D]."""
    neighbours: int
    """Which nearest one counts."""

    def tensors(self) -> dict[str, np.ndarray]:
        """For a file: float32, `rest` and `neighbours` of one element."""
        named = {"means": self.means, "axes": self.axes, "inverse": self.inverse, "bank": self.bank}
        named |= {"rest": np.array([self.rest]), "neighbours": np.array([self.neighbours])}
        return {name: tensor.astype(np.float32) for name, tensor in named.items()}


def refer(features: np.ndarray, y: np.ndarray, neighbours: int) -> Reference:
    """Fit to training features float [n, D], finite, and their classes int [n]."""
    # Imported here because a program that answers with an exported model scores and never fits.
    from sklearn.covariance import ledoit_wolf_shrinkage

    features = features.astype(np.float64)
    codes, label = np.unique(y, return_inverse=True)
    means = np.stack([features[label == code].mean(0) for code in range(len(codes))])
    inner = features - means[label]
    shrinkage = ledoit_wolf_shrinkage(inner, assume_centered=True) if inner.any() else 1.0
    average = float((inner**2).mean())
    _, spread, axes = np.linalg.svd(inner / np.sqrt(len(inner)), full_matrices=False)
    floor = max(shrinkage * average, LEAST_VARIANCE)
    inverse = 1 / ((1 - shrinkage) * spread**2 + floor)
    return Reference(means, axes, inverse, 1 / floor, _of_length_one(features), min(neighbours, len(features)))


def mahalanobis(reference: Reference, features: np.ndarray) -> np.ndarray:
    """Distance to the nearest class mean: features float [m, D] to float64 [m]."""
    squares = []
    for mean in reference.means:
        apart = features.astype(np.float64) - mean
        along = (apart @ reference.axes.T) ** 2
        # What lies outside the axes: the whole length less what lies along them, which rounding may take below 0.
        outside = np.maximum((apart**2).sum(1) - along.sum(1), 0)
        squares.append(along @ reference.inverse + outside * reference.rest)
    return np.sqrt(np.min(squares, axis=0))


def neighbour_distance(reference: Reference, features: np.ndarray) -> np.ndarray:
    """Distance to the k-th nearest training image on the unit sphere: float64 [m], 0 to 2."""
    likenesses = []
    for start in range(0, len(features), BLOCK):
        likeness = _of_length_one(features[start : start + BLOCK].astype(np.float64)) @ reference.bank.T
        position = likeness.shape[1] - reference.neighbours
        likenesses.append(np.partition(likeness, position, axis=1)[:, position])
    return np.sqrt(np.maximum(2 - 2 * np.concatenate(likenesses), 0)) if likenesses else np.zeros(0)


def _of_length_one(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def scores_of(
    reference: Reference, features: np.ndarray, logits: np.ndarray, energy: bool = True
) -> dict[str, np.ndarray]:
    """Every score of images: features [m, D], logits [m, K]; each float64 [m].

    Without `energy` for logits that are logarithms of probabilities, whose energy is 0 whatever the image. An image
    whose features or logits are not finite is infinitely strange.
    """
    sound = np.isfinite(features).all(1) & np.isfinite(logits).all(1)
    features, logits = np.where(sound[:, None], features, 0), np.where(sound[:, None], logits, 0).astype(np.float64)
    whole = np.logaddexp.reduce(logits, axis=1)
    made = {"mahalanobis": mahalanobis(reference, features), "neighbours": neighbour_distance(reference, features)}
    made |= {"energy": -whole} if energy else {}
    made |= {"softmax": -np.expm1(logits.max(1) - whole)}
    return {name: np.where(sound, values, np.inf) for name, values in made.items()}
