"""Calibrators: maps from logits to probabilities, fitted on validation images alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression

NONE, TEMPERATURE, CLASS_TEMPERATURE, ISOTONIC = "none", "temperature", "class temperature", "isotonic"
CALIBRATORS = (NONE, TEMPERATURE, CLASS_TEMPERATURE, ISOTONIC)
RANGE = (0.01, 100.0)
"""Temperatures that are tried."""
UNDETERMINED = "every validation image is right: no temperature is the best"


@dataclass(frozen=True)
class Calibrator:
    """A fitted map."""

    name: str
    temperatures: np.ndarray | None = None
    """Temperature of the images predicted as each class, [K]; None if there are none."""
    steps: tuple[tuple[np.ndarray, np.ndarray] | None, ...] = ()
    """Of isotonic: each class's probabilities before and after, between which it is linear."""
    floor: float = 0.0
    """Of isotonic: least probability before they are made to sum to 1."""
    note: str = ""
    """What a reader must know of the fit."""

    @property
    def fitted(self) -> bool:
        """Whether the validation images determine it."""
        return self.note != UNDETERMINED

    def apply(self, logits: np.ndarray) -> np.ndarray:
        """Probabilities [n, K] float64 of logits [n, K]."""
        if self.temperatures is not None:
            # Dividing all logits of an image by one number leaves the largest where it is.
            return softmax(logits / self.temperatures[logits.argmax(1)][:, None], axis=1)
        shares = softmax(logits, axis=1)
        for index, step in enumerate(self.steps):
            if step is not None:
                shares[:, index] = np.clip(np.interp(shares[:, index], *step), self.floor, 1 - self.floor)
        return shares / shares.sum(1, keepdims=True)


def fit(name: str, logits: np.ndarray, y: np.ndarray, classes: Sequence[str], fewest: int = 10) -> Calibrator:
    """The calibrator of that name, fitted to validation logits [n, K] and their true classes y [n].

    *temperature* (Guo et al. 2017, arXiv 1706.04599): softmax(z / T), the T of least negative log-likelihood.
    *class temperature*: one T for the images predicted as each class, fitted on them; predictions stay. A class with
    fewer than `fewest` of them, or without an error, takes the common T. *isotonic*: each class against the rest, by
    pool-adjacent-violators, held half an image's share away from 0 and 1, then made to sum to 1; predictions can
    change. If every validation image is right, the likelihood grows without end as T falls, and there is no T.
    """
    if name == NONE:
        return Calibrator(name)
    if name == ISOTONIC:
        return _isotonic(softmax(logits, axis=1), y, classes)
    predicted = logits.argmax(1)
    if (predicted == y).all():
        return Calibrator(name, note=UNDETERMINED)
    common = temperature(logits, y)
    temperatures, borrowed = np.full(logits.shape[1], common), []
    if name == CLASS_TEMPERATURE:
        for index in range(logits.shape[1]):
            members = predicted == index
            if members.sum() < fewest or (y[members] == index).all():
                borrowed.append(classes[index])
            else:
                temperatures[index] = temperature(logits[members], y[members])
    notes = [f"common temperature for {', '.join(borrowed)}"] if borrowed else []
    notes += ["temperature at the end of its range"] if _at_end(temperatures) else []
    return Calibrator(name, temperatures, note="; ".join(notes))


def temperature(logits: np.ndarray, y: np.ndarray) -> float:
    """The T within `RANGE` that minimises the mean negative log-likelihood of softmax(z / T), convex in 1 / T."""
    rows = np.arange(len(y))

    def loss(log_t: float) -> float:
        return float(-log_softmax(logits / np.exp(log_t), axis=1)[rows, y].mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(RANGE), method="bounded", options={"xatol": 1e-7}).x))


def _at_end(temperatures: np.ndarray) -> bool:
    return bool((temperatures < RANGE[0] * 1.001).any() or (temperatures > RANGE[1] / 1.001).any())


def _isotonic(shares: np.ndarray, y: np.ndarray, classes: Sequence[str]) -> Calibrator:
    steps: list[tuple[np.ndarray, np.ndarray] | None] = []
    for index in range(shares.shape[1]):
        if not (y == index).any():
            steps.append(None)
            continue
        model = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(shares[:, index], y == index)
        steps.append((model.X_thresholds_, model.y_thresholds_))
    absent = [name for name, step in zip(classes, steps, strict=True) if step is None]
    note = f"no validation image of {', '.join(absent)}, left as it was" if absent else ""
    return Calibrator(ISOTONIC, steps=tuple(steps), floor=0.5 / len(y), note=note)
