"""Losses against their definitions."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from leukoflow.config.training import Loss
from leukoflow.training.loop import classification_loss

LOGITS = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)) * 3
Y = torch.arange(20) % 4
WEIGHTS = torch.tensor([0.5, 1.0, 2.0, 0.1])


@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_with_gamma_0_is_cross_entropy(weights: torch.Tensor | None) -> None:
    loss = classification_loss(LOGITS, Y, Loss(kind="focal", gamma=0), weights)
    torch.testing.assert_close(loss, cross_entropy(LOGITS, Y, weights))
    torch.testing.assert_close(classification_loss(LOGITS, Y, Loss(), weights), cross_entropy(LOGITS, Y, weights))


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_focal_is_its_formula(gamma: float) -> None:
    p = torch.softmax(LOGITS.double(), 1)[torch.arange(20), Y]
    terms = -((1 - p) ** gamma) * p.log()
    loss = classification_loss(LOGITS, Y, Loss(kind="focal", gamma=gamma))
    assert float(loss) == pytest.approx(float(terms.mean()), rel=1e-5)
    w = WEIGHTS[Y].double()
    weighted = classification_loss(LOGITS, Y, Loss(kind="focal", gamma=gamma), WEIGHTS)
    assert float(weighted) == pytest.approx(float((w * terms).sum() / w.sum()), rel=1e-5)


def test_smoothing_spreads_the_target() -> None:
    target = torch.full((20, 4), 0.1 / 4).scatter(1, Y[:, None], 0.9 + 0.1 / 4)
    expected = -(target * LOGITS.log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(classification_loss(LOGITS, Y, Loss(label_smoothing=0.1)), expected)


def test_a_sure_answer_has_a_finite_gradient() -> None:
    logits = torch.tensor([[80.0, -80.0]], requires_grad=True)
    classification_loss(logits, torch.tensor([0]), Loss(kind="focal", gamma=0.5)).backward()
    assert torch.isfinite(logits.grad).all()


def test_smoothing_with_focal_is_refused() -> None:
    with pytest.raises(ValueError, match="label_smoothing goes with cross_entropy"):
        Loss(kind="focal", label_smoothing=0.1)
