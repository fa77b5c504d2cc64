"""How long an image takes, pass by pass: histograms of single measured times."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, PALETTE, Drawn, empty, panels, wrap

BINS = 30
PUBLISHED = {True: "latency_ms", False: "gpu_latency_ms"}
"""Name among published figures, on the processor and on a GPU."""


def latency_chart(passes: pd.DataFrame, published: Mapping[str, Mapping[str, float]]) -> tuple[Figure, pd.DataFrame]:
    """A panel for each network and device: passes by their time, median and 95th percentile as upright lines.

    `passes` holds the passes of one task and view. A published time within the panel's range is a dotted line, and one
    outside is said in words.
    """
    places = list(dict.fromkeys(passes[["device", "model"]].itertuples(index=False, name=None)))
    places.sort(key=lambda pair: (pair[0] != "cpu", not is_baseline(pair[1]), pair[1]))
    if not places:
        return empty("No network was measured here."), passes
    figure, grid = panels(len(places), 4, 2.9, 2.5)
    for axes, (device, model) in zip(grid, places, strict=True):
        times = passes[(passes["device"] == device) & (passes["model"] == model)]["ms"].to_numpy(float)
        said = published.get(model, {}).get(PUBLISHED[device == "cpu"])
        _panel(axes, times, said)
        where = "one thread" if device == "cpu" else device
        axes.set(title=f"{wrap(model, 26)}\n{where}")
    figure.supylabel("Passes", fontsize=9)
    handles = [
        Line2D([], [], color=INK, label="median"),
        Line2D([], [], color=INK, linestyle="--", label="95th percentile"),
        Line2D([], [], color=PALETTE[1], linestyle=":", label="as published"),
    ]
    figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure, passes.reset_index(drop=True)


def _panel(axes: Axes, times: np.ndarray, published: float | None) -> None:
    # Above this lie the few passes during which the machine did something else.
    most = float(np.quantile(times, 0.99))
    axes.hist(times[times <= most], bins=BINS, color=PALETTE[0], alpha=0.75)
    median, late = np.quantile(times, [0.5, 0.95])
    axes.axvline(median, color=INK, linewidth=1.2)
    axes.axvline(late, color=INK, linewidth=1.2, linestyle="--")
    text = f"Time for one image (ms), n = {len(times)}\np50 {median:.3g}, p95 {late:.3g}, max {times.max():.3g}"
    if published is not None:
        text += f", published {published:g}"
        low, high = axes.get_xlim()
        if low <= published <= high:
            axes.axvline(published, color=PALETTE[1], linewidth=1.4, linestyle=":")
    axes.set_xlabel(text, fontsize=7.5)
    axes.locator_params(axis="x", nbins=4)


def draw_latency(inputs: Inputs) -> Drawn:
    """Histograms of the passes of a panel, from the table `passes`."""
    return latency_chart(inputs.rows("passes", ("task", "view")), inputs.settings["published"])
