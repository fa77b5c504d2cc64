"""Histograms of single times."""

import pandas as pd
import pytest

from leukoflow.figures.latency import BINS, latency_chart


def test_every_pass_is_in_a_bar_and_the_lines_are_median_and_percentile() -> None:
    times = list(range(1, 101))
    rows = [
        {"task": "t", "view": "v", "model": "net", "device": "cpu", "number": n, "ms": ms} for n, ms in enumerate(times)
    ]
    figure, table = latency_chart(pd.DataFrame(rows), {"net": {"latency_ms": 50}})
    (axes,) = [panel for panel in figure.axes if panel.get_visible()]
    assert (
        len(axes.patches) == BINS and sum(bar.get_height() for bar in axes.patches) == 99
    )  # up to the 99th percentile
    lines = [float(line.get_xdata()[0]) for line in axes.lines]
    assert lines == pytest.approx([50.5, 95.05, 50])
    assert axes.get_xlabel() == "Time for one image (ms), n = 100\np50 50.5, p95 95, max 100, published 50"
    assert table["ms"].tolist() == times


def test_a_published_time_far_off_is_said_and_not_drawn() -> None:
    rows = [{"model": "net", "device": "cpu", "number": n, "ms": 1 + n / 100} for n in range(50)]
    figure, _ = latency_chart(pd.DataFrame(rows), {"net": {"latency_ms": 454.67}})
    assert len(figure.axes[0].lines) == 2 and "published 454.67" in figure.axes[0].get_xlabel()


def test_without_passes_the_figure_says_so() -> None:
    figure, _ = latency_chart(pd.DataFrame(columns=["model", "device", "number", "ms"]), {})
    assert figure.texts[0].get_text() == "No network was measured here."
