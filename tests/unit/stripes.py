"""Pictures of two classes that differ in the direction of their stripes, for tests of training."""

import numpy as np


def striped(count: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures uint8 [count, side, side, 3] and their classes, int64 [count], by turns 0 and 1."""
    draw = np.random.default_rng(0)
    y = np.arange(count) % 2
    ramp = 40 * np.sin(np.arange(side) * 0.8)[:, None] * np.ones(side)
    stripes = np.stack([ramp if label else ramp.T for label in y])
    pictures = 140 + stripes[..., None] + draw.normal(0, 10, (count, side, side, 3))
    return pictures.clip(0, 255).astype(np.uint8), y
