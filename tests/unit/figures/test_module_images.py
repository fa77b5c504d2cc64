"""Modules on single images, as drawn."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.core.runs import Run
from leukoflow.figures.module_images import information_chart, norms_chart, shown_run, smoothed


def table(images: int = 12) -> pd.DataFrame:
    rows = []
    for module in ("ContextualSpatialAttention", "F3"):
        for family, levels in (("gaussian_noise", (0.1, 0.2)), ("brightness", (0.1, 0.3)), ("jpeg", (10, 20))):
            for step, level in enumerate(levels):
                for image in range(images):
                    value = image + 10 * step
                    rows.append(
                        {"module": module, "perturbation": family, "level": level, "image_id": f"{image:02d}",
                         "plain": 2.0 * value, "information": value, "norm": 1, "difference": value, "relative": value}
                    )  # fmt: skip
    return pd.DataFrame(rows)


def test_information_is_the_mean_over_levels_image_by_image() -> None:
    figure, shown = information_chart(table(), "net")
    box, cdf, polar, corrected, _, corrected_polar = figure.axes
    points = [line.get_ydata() for line in box.lines if line.get_marker() == "."]
    expected = np.arange(12) + 5.0
    assert len(points) == 2 and points[0] == pytest.approx(2 * expected)
    assert next(line.get_ydata() for line in corrected.lines if line.get_marker() == ".") == pytest.approx(expected)
    assert cdf.lines[0].get_xdata() == pytest.approx(2 * expected) and cdf.lines[0].get_ydata()[-1] == 1
    offsets = np.asarray(corrected_polar.collections[0].get_offsets())
    assert offsets[:, 1] == pytest.approx(expected) and offsets[3, 0] == pytest.approx(2 * np.pi * 3 / 12)
    assert [label.get_text() for label in box.get_xticklabels()] == ["Gaussian noise", "Brightness"]
    assert set(shown["perturbation"]) == {"gaussian_noise", "brightness"} and polar.get_rmax() >= 32


def test_norms_have_a_cell_for_each_image_and_the_radar_a_spoke_for_each_family() -> None:
    figure, shown = norms_chart(table(), "net")
    heat, trend, *_ = figure.axes
    cells = heat.images[0].get_array()
    assert cells.shape == (2, 12) and cells.data[0] == pytest.approx(np.arange(12) + 5.0)
    assert trend.lines[0].get_ydata() == pytest.approx(np.arange(12) + 5.0)
    assert trend.lines[2].get_ydata() == pytest.approx(np.arange(12) + 5.0)  # a straight line is its own trend
    radar = figure.axes[-1] if figure.axes[-1].name == "polar" else figure.axes[-2]
    assert radar.lines[0].get_ydata() == pytest.approx([10.5] * 4)
    assert set(shown["module"]) == {"ContextualSpatialAttention", "F3"}


def test_a_running_mean_by_hand() -> None:
    assert smoothed(np.array([1.0, 2.0, 3.0])) == pytest.approx([1.5, 2.0, 2.5])
    values = np.arange(30.0)
    assert smoothed(values)[10:20] == pytest.approx(values[10:20])


def test_the_model_with_most_modules_is_drawn() -> None:
    few, whole = pd.DataFrame({"module": ["F3"]}), pd.DataFrame({"module": ["F3", "SpatialGate"]})
    runs = {Run("h", "t", "v", "image", name, fold, 1): table for name, fold, table in
            (("a", 0, few), ("net", 1, whole), ("net", 0, whole))}  # fmt: skip
    chosen = shown_run(runs)
    assert (chosen.model, chosen.fold) == ("net", 0) and shown_run({}) is None


def test_without_levels_the_figures_say_so() -> None:
    only = table().query("perturbation == 'jpeg'")
    assert "None of noise" in information_chart(only, "net")[0].texts[0].get_text()
    other = table().query("module == 'F3'")
    assert "no attention between positions" in norms_chart(other, "net")[0].texts[0].get_text()
