"""The baseline that sees no morphology: a random forest on a 48-bin colour histogram.

On the Taleqani images it reaches 99 % under an image-level split. Whatever a network reaches has to be read next to it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leukoflow.models.spec import ModelSpec

SPEC = ModelSpec(
    name="colour_histogram",
    title="Colour histogram (baseline)",
    source="random forest (Breiman 2001, doi 10.1023/A:1010933404324) on 16 bins each of L, a, b",
    fitting="direct",
    sizes=MappingProxyType({"paper": {"trees": 300}, "small": {"trees": 100}}),
)

BINS = 16
_LARGEST_SAMPLE = 100_000  # images drawn for one tree: bounds the forest of a very large cohort


def build(num_classes: int, trees: int) -> "ColourHistogram":
    """Build an unfitted forest; see ColourHistogram."""
    return ColourHistogram(num_classes, trees)


class ColourHistogram(nn.Module):
    """Images float32 [B, 3, H, W] in [0, 1] to logarithms of the forest's probabilities, float32 [B, K].

    The forest lives in buffers [trees, nodes], so that it is saved, loaded and run like any network.
    """

    feature: Tensor
    threshold: Tensor
    branches: Tensor
    value: Tensor

    def __init__(self, num_classes: int, trees: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.trees = trees
        self.register_buffer("feature", torch.zeros(trees, 1, dtype=torch.int64))
        self.register_buffer("threshold", torch.zeros(trees, 1, dtype=torch.float64))
        self.register_buffer("branches", torch.zeros(trees, 1, 2, dtype=torch.int64))
        self.register_buffer("value", torch.full((trees, 1, num_classes), 1 / num_classes))

    def features(self, x: Tensor) -> Tensor:
        """Share of the pixels in each of 16 bins of L, a and b: float32 [B, 48]; each third sums to 1."""
        lab = _lab(x).flatten(2)
        low = lab.new_tensor([0.0, -64.0, -64.0])[:, None]
        high = lab.new_tensor([100.0, 64.0, 64.0])[:, None]
        bins = ((lab - low) / (high - low) * BINS).long().clamp_(0, BINS - 1)
        bins = bins + torch.arange(3, device=x.device)[:, None] * BINS
        counts = lab.new_zeros(len(x), 3 * BINS)
        counts.scatter_add_(1, bins.flatten(1), torch.ones_like(lab).flatten(1))
        return counts / lab.shape[2]

    def fit(self, features: Tensor, y: Tensor, seed: int) -> None:
        """Fit the forest to features float32 [N, 48] and classes int [N]."""
        # Imported here because prediction does without it, and it takes seconds.
        from sklearn.ensemble import RandomForestClassifier

        forest = RandomForestClassifier(
            self.trees, max_samples=_LARGEST_SAMPLE if len(y) > _LARGEST_SAMPLE else None, random_state=seed, n_jobs=-1
        )
        forest.fit(features.numpy(), y.numpy())
        trees = [tree.tree_ for tree in forest.estimators_]
        nodes = max(tree.node_count for tree in trees)
        # A leaf leads to itself, so that every walk can take the same number of steps.
        branches = np.tile(np.arange(nodes)[:, None], (len(trees), 1, 2))
        feature, threshold = np.zeros((len(trees), nodes), np.int64), np.zeros((len(trees), nodes))
        value = np.zeros((len(trees), nodes, self.num_classes), np.float32)
        for row, tree in enumerate(trees):
            inner = tree.children_left >= 0
            count = tree.node_count
            feature[row, :count][inner], threshold[row, :count][inner] = tree.feature[inner], tree.threshold[inner]
            branches[row, :count][inner] = np.stack([tree.children_left, tree.children_right], axis=1)[inner]
            shares = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
            value[row, :count][:, forest.classes_] = shares
        self.feature, self.threshold = torch.from_numpy(feature), torch.from_numpy(threshold)
        self.branches, self.value = torch.from_numpy(branches), torch.from_numpy(value)

    def probabilities(self, features: Tensor) -> Tensor:
        """Mean of the trees' class shares for features [B, 48]: float32 [B, K]."""
        node = torch.zeros(len(features), len(self.feature), dtype=torch.int64, device=features.device)
        tree = torch.arange(len(self.feature), device=features.device)
        while True:
            values = features.double().gather(1, self.feature[tree, node])
            following = self.branches[tree, node, (values > self.threshold[tree, node]).long()]
            if torch.equal(following, node):
                return self.value[tree, node].mean(dim=1)
            node = following

    def forward(self, x: Tensor) -> Tensor:
        """Images to log probabilities, those below 1e-6 raised to it."""
        return self.probabilities(self.features(x)).clamp(min=1e-6).log()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("feature", "threshold", "branches", "value"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name]))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _lab(x: Tensor) -> Tensor:
    """sRGB [B, 3, H, W] in [0, 1] to CIELAB (D65): L in 0 to 100, a and b about -128 to 127."""
    linear = torch.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    matrix = x.new_tensor(
        [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    )
    white = x.new_tensor([0.95047, 1.0, 1.08883])
    xyz = torch.einsum("ij,bjhw->bihw", matrix / white[:, None], linear)
    f = torch.where(xyz > 0.008856, xyz.clamp(min=1e-8) ** (1 / 3), 7.787 * xyz + 16 / 116)
    return torch.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], dim=1)
