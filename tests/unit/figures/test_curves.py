"""ROC and precision-recall curves."""

import numpy as np
import pandas as pd

from leukoflow.figures.curves import COLUMNS, curves


def test_panels_start_with_the_baseline_and_bands_are_shaded():
    line = {"x": np.linspace(0, 1, 5), "y": np.linspace(0.2, 1, 5)}
    parts = [
        pd.DataFrame({**line, "low": line["y"] - 0.1, "high": line["y"], "area": 0.7}).assign(
            model=model, kind=kind, **{"class": label}
        )
        for model in ("abc", "colour_histogram")
        for kind in ("roc", "pr")
        for label in ("a", "b", "macro average", "micro average")
    ]
    figure, points = curves("roc", pd.concat(parts, ignore_index=True), ["a", "b"])
    axes = figure.axes[:2]
    assert [each.get_title(loc="left") for each in axes] == ["colour_histogram", "abc"]
    assert [len(each.collections) for each in axes] == [2, 2]  # a band for each class
    assert "AUC macro 0.700, micro 0.700" in [text.get_text() for text in axes[0].texts]
    assert list(points.columns) == COLUMNS and len(points) == 2 * 4 * 5
