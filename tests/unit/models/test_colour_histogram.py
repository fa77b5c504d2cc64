"""The colour baseline against scikit-learn and scikit-image."""

import numpy as np
import torch
from skimage.color import rgb2lab
from sklearn.ensemble import RandomForestClassifier

from leukoflow.models import registry


def coloured(count: int, side: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    y = torch.arange(count) % 3
    x = torch.rand(count, 3, side, side) * 0.6
    x[torch.arange(count), y] += 0.1
    return x, y


def test_features_are_the_lab_histograms_of_scikit_image() -> None:
    x, _ = coloured(4)
    ours = registry.build("colour_histogram", size="small").features(x).numpy()
    for image, row in zip(x.permute(0, 2, 3, 1).numpy(), ours, strict=True):
        lab = rgb2lab(image)
        ranges = [(0, 100), (-64, 64), (-64, 64)]
        expected = [np.histogram(lab[..., k].clip(*ranges[k]), 16, ranges[k])[0] for k in range(3)]
        np.testing.assert_allclose(row, np.concatenate(expected) / lab[..., 0].size, atol=2 / lab[..., 0].size)
    np.testing.assert_allclose(ours.sum(axis=1), 3, rtol=1e-5)


def test_forest_equals_scikit_learns() -> None:
    x, y = coloured(60)
    model = registry.build("colour_histogram", 3, "small")
    features = model.features(x)
    model.fit(features[:40], y[:40], seed=5)
    forest = RandomForestClassifier(100, random_state=5).fit(features[:40].numpy(), y[:40].numpy())
    np.testing.assert_allclose(model.probabilities(features).numpy(), forest.predict_proba(features.numpy()), atol=1e-6)
    torch.testing.assert_close(model(x).softmax(1), model.probabilities(features), atol=1e-4, rtol=1e-3)


def test_a_class_without_training_images_gets_no_probability() -> None:
    x, y = coloured(30)
    model = registry.build("colour_histogram", 5, "small")
    model.fit(model.features(x), y + 1, seed=0)
    probabilities = model.probabilities(model.features(x))
    assert (probabilities[:, [0, 4]] == 0).all()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(30))
