"""Boosted trees: what xgboost itself answers, kept in tensors."""

import builtins
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import registry
from leukoflow.models.inference import load_model, save_tensors

NEEDED = "the package xgboost is not installed"


def rows(seed: int, n: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    x = rng.normal(size=(n, 9)) + 0.8 * (np.arange(9) % classes == y[:, None])
    return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(y)


@pytest.mark.parametrize("classes", [2, 4])
def test_answers_are_those_of_xgboost_with_the_published_settings(classes: int, tmp_path: Path) -> None:
    xgboost = pytest.importorskip("xgboost", reason=NEEDED)
    model = registry.build("gradient_boosting", classes, inputs=9)
    (x, y), held, (new, _) = rows(0, 300, classes), rows(1, 120, classes), rows(2, 400, classes)
    model.fit(x, y, 7, held)
    train, validation = (xgboost.DMatrix(features.numpy(), label.numpy()) for features, label in ((x, y), held))
    settings = {"max_depth": 4, "eta": 0.3, "objective": "multi:softprob", "num_class": classes, "seed": 7}
    booster = xgboost.train(settings, train, 50, evals=[(validation, "v")], early_stopping_rounds=5, verbose_eval=False)
    rounds = booster.best_iteration + 1
    assert 3 < rounds < 50 and len(model.feature) == rounds * classes  # it did stop early
    expected = booster.predict(xgboost.DMatrix(new.numpy()), iteration_range=(0, rounds))
    made = model.eval()(new).softmax(1)
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-6)
    # What lies on a threshold goes right, in both.
    edge = new[:1].repeat(len(model.threshold), 1)
    edge[torch.arange(len(edge)), model.feature[:, 0]] = model.threshold[:, 0]
    np.testing.assert_allclose(
        model(edge).softmax(1),
        booster.predict(xgboost.DMatrix(edge.numpy()), iteration_range=(0, rounds)),
        rtol=1e-4,
        atol=1e-6,
    )

    save_tensors(tmp_path / "w.safetensors", model.state_dict())
    description = {
        "architecture": "gradient_boosting",
        "classes": ["a"] * classes,
        "size": "paper",
        "options": {"inputs": 9},
    }
    again = load_model(description, tmp_path / "w.safetensors")
    assert torch.equal(again(new), model(new))


def test_without_the_package_one_line_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str):  # type: ignore[no-untyped-def]
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    module = builtins.__import__("leukoflow.models.gradient_boosting", fromlist=["build"])
    with pytest.raises(LeukoFlowError, match=r"needs the package xgboost; pip install -e '\.\[xgboost\]'"):
        module.build(2).fit(*rows(0, 20, 2), 0, rows(1, 9, 2))


def test_options_that_cannot_be_are_refused() -> None:
    with pytest.raises(LeukoFlowError, match="gradient_boosting must be at least 1"):
        registry.build("gradient_boosting", 4, depth=0)
