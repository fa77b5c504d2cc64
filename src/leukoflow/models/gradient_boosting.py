"""Boosted trees on ranked features, by the package xgboost: what HybridCN-NAS is compared with."""

import importlib
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.spec import ModelSpec

SPEC = ModelSpec(
    name="gradient_boosting",
    title="Gradient boosting",
    source="XGBoost (Chen and Guestrin 2016, doi 10.1145/2939672.2939785)",
    fitting="direct",
    reads="features",
    sizes=MappingProxyType({"paper": {"features": 2000}, "small": {"features": 200}}),
    input_size=2000,
)
INSTALL = "pip install -e '.[xgboost]'"


def build(
    num_classes: int,
    features: int = 2000,
    inputs: int | None = None,
    depth: int = 4,
    rate: float = 0.3,
    rounds: int = 50,
    patience: int = 5,
) -> "GradientBoosting":
    """Build an unfitted ensemble; see GradientBoosting.

    features: how many of the best ranked features are wanted; inputs: how many there are (training says it). depth:
    most levels of a tree; rate: share of each tree's answer that is taken; rounds: most trees for each class; patience:
    rounds without a lower validation loss after which no more are made. Raises LeukoFlowError for an option that cannot
    be.
    """
    if min(depth, rounds, patience) < 1 or not 0 < rate <= 1:
        raise LeukoFlowError(
            "models: depth, rounds and patience of gradient_boosting must be at least 1, rate in 0 to 1"
        )
    return GradientBoosting(num_classes, depth, rate, rounds, patience)


class GradientBoosting(nn.Module):
    """Features float32 [B, k] to logits float32 [B, K]: what each class starts from, and the sum of its trees.

    The trees live in buffers [trees, nodes], so that they are saved, loaded and run like any network, without xgboost.
    """

    feature: Tensor
    threshold: Tensor
    branches: Tensor
    value: Tensor
    owner: Tensor
    start: Tensor

    def __init__(self, num_classes: int, depth: int, rate: float, rounds: int, patience: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.settings = {"max_depth": depth, "eta": rate}
        self.rounds, self.patience = rounds, patience
        self.register_buffer("feature", torch.zeros(1, 1, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(1, 1))
        self.register_buffer("branches", torch.zeros(1, 1, 2, dtype=torch.int64))
        self.register_buffer("value", torch.zeros(1, 1))
        self.register_buffer("owner", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("start", torch.zeros(num_classes))

    def features(self, x: Tensor) -> Tensor:
        """The rows themselves."""
        return x

    def fit(self, features: Tensor, y: Tensor, seed: int, validation: tuple[Tensor, Tensor]) -> None:
        """Fit the trees to features float32 [N, k] and classes int [N]; the loss on `validation` (such a
        pair) says when to stop. Raises LeukoFlowError if xgboost is not installed."""
        try:
            xgboost = importlib.import_module("xgboost")
        except ImportError as error:
            raise LeukoFlowError(f"models: gradient_boosting needs the package xgboost; {INSTALL}") from error
        train, held = (xgboost.DMatrix(x.numpy(), y.numpy()) for x, y in ((features, y), validation))
        settings = {"objective": "multi:softprob", "num_class": self.num_classes, "eval_metric": "mlogloss"}
        settings |= {**self.settings, "seed": seed, "nthread": torch.get_num_threads()}
        stop = {"evals": [(held, "validation")], "early_stopping_rounds": self.patience, "verbose_eval": False}
        booster = xgboost.train(settings, train, self.rounds, **stop)
        rounds = int(booster.best_iteration) + 1
        self._take(json.loads(bytes(booster.save_raw("json"))), rounds)
        # What the trees start from is written in a form that depends on the version; it is what they leave.
        whole = booster.predict(train.slice([0]), output_margin=True, iteration_range=(0, rounds))
        self.start = torch.from_numpy(whole[0]) - self(features[:1])[0]

    def _take(self, model: Mapping[str, Any], rounds: int) -> None:
        """Keep the trees of the first rounds of a model in xgboost's JSON form."""
        booster = model["learner"]["gradient_booster"]["model"]
        owner = np.array(booster["tree_info"], np.int64)
        trees = booster["trees"][: rounds * self.num_classes]
        nodes = max(len(tree["left_children"]) for tree in trees)
        # A leaf leads to itself, so that every walk can take the same number of steps.
        branches = np.tile(np.arange(nodes)[:, None], (len(trees), 1, 2))
        feature, threshold = np.zeros((len(trees), nodes), np.int64), np.zeros((len(trees), nodes), np.float32)
        value = np.zeros((len(trees), nodes), np.float32)
        for row, tree in enumerate(trees):
            left, right = (np.array(tree[name]) for name in ("left_children", "right_children"))
            condition = np.array(tree["split_conditions"], np.float32)  # of a leaf its value
            inner, count = left >= 0, len(left)
            feature[row, :count][inner] = np.array(tree["split_indices"])[inner]
            threshold[row, :count][inner] = condition[inner]
            branches[row, :count][inner] = np.stack([left, right], axis=1)[inner]
            value[row, :count][~inner] = condition[~inner]
        self.feature, self.threshold = torch.from_numpy(feature), torch.from_numpy(threshold)
        self.branches, self.value = torch.from_numpy(branches), torch.from_numpy(value)
        self.owner = torch.from_numpy(owner[: len(trees)])

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        node = torch.zeros(len(x), len(self.feature), dtype=torch.int64, device=x.device)
        tree = torch.arange(len(self.feature), device=x.device)
        while True:
            values = x.gather(1, self.feature[tree, node])
            following = self.branches[tree, node, (values >= self.threshold[tree, node]).long()]
            if torch.equal(following, node):
                break
            node = following
        return self.start.expand(len(x), -1).index_add(1, self.owner, self.value[tree, node])

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("feature", "threshold", "branches", "value", "owner", "start"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *rest)
