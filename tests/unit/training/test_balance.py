"""Against unequal classes: weighted sampling and weighted loss at once, as HMSCAM's paper has them."""

import numpy as np
import pytest
import torch

from leukoflow.config.training import Training
from leukoflow.training import batches, loop


def test_weighted_sampling_and_weighted_loss_work_together(monkeypatch, tmp_path):
    """Classes are drawn equally often, and the loss weighs them besides: n / (K n_k) of the images there are."""
    y = np.array([0] * 24 + [1] * 8)
    pictures = np.random.default_rng(0).integers(0, 256, (32, 16, 16, 3), dtype=np.uint8)

    class Source:
        def gather(self, rows: np.ndarray) -> np.ndarray:
            return pictures[rows]

    seen: list[tuple[np.ndarray, list[float]]] = []
    original = loop.classification_loss

    def spied(logits, truth, settings, weights):
        if torch.is_grad_enabled():
            seen.append((truth.numpy().copy(), weights.tolist()))
        return original(logits, truth, settings, weights)

    monkeypatch.setattr(loop, "classification_loss", spied)
    examples = batches.Examples(Source(), np.arange(32), y)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16 * 16 * 3, 2))
    training = Training(epochs=20, batch_size=8, patience=20, weighted_loss=True, weighted_sampling=True)
    loop.fit(model, (), examples, examples, 2, training, 1, tmp_path / "state.safetensors")
    drawn = np.concatenate([truth for truth, _ in seen])
    assert len(drawn) == 20 * 32
    assert abs(drawn.mean() - 0.5) < 4 * 0.5 / np.sqrt(len(drawn))
    assert all(weights == pytest.approx([32 / (2 * 24), 32 / (2 * 8)]) for _, weights in seen)
