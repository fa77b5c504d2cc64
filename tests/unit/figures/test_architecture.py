"""Diagrams: every component has a box with its numbers, and no box or line lies on another box."""

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.patches import FancyBboxPatch

from leukoflow.cost.components import components
from leukoflow.figures.architecture import WIDTH, architecture_chart
from leukoflow.models import registry
from leukoflow.steps.components import COLUMNS


def table(name: str) -> pd.DataFrame:
    with torch.device("meta"):
        parts = components(registry.build(name, 4), torch.empty(1, 3, 224, 224))
    rows = [
        (name, name, "paper", step, part.name.split(".")[0].split(" ")[0], part.name, part.kind,
         "; ".join(part.sources) or None, "", " x ".join(map(str, part.gives)), 1, part.parameters, 0.0, "")
        for step, part in enumerate(parts)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.mark.parametrize("name", ["resnet50_hmscam", "vgg19_mhsa", "neurallnet", "resnet50_vit"])
def test_boxes_hold_what_the_table_says_and_overlap_nothing(name: str) -> None:
    components = table(name)
    figure, same = architecture_chart(components)
    assert same is components
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert f"{components['parameters'].sum():,} parameters" in texts
    for part, size in components.groupby("part")["parameters"].sum().items():
        assert not size or f"{part}: {size:,}" in texts
    boxes = [
        patch.get_bbox() for patch in axes.patches
        if isinstance(patch, FancyBboxPatch) and patch.get_width() == pytest.approx(WIDTH)
    ]  # fmt: skip
    placed = components[components["sources"].notna() | (components["component"] == "input")]
    assert len(boxes) == len(placed)
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
    for line in axes.lines:
        x, y = line.get_data()
        for box in boxes:
            for start in range(len(x) - 1):
                ends = [np.linspace(coordinates[start], coordinates[start + 1], 41)[1:-1] for coordinates in (x, y)]
                assert not any(box.contains(*point) for point in zip(*ends, strict=True)), (name, x, y)
    edges = sum(len(str(sources).split("; ")) for sources in components["sources"].dropna())
    assert len(axes.lines) == edges


@pytest.mark.parametrize("name", ["resnet50_hmscam", "resnet50_vit", "neurallnet"])
def test_text_fits_its_box_and_the_page(name: str) -> None:
    figure, _ = architecture_chart(table(name))
    figure.set_dpi(130)
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    page = figure.bbox
    inch = axes.transData.transform((WIDTH, 0))[0] - axes.transData.transform((0, 0))[0]
    for text in axes.texts:
        extent = text.get_window_extent(canvas.get_renderer())
        assert page.x0 <= extent.x0 and extent.x1 <= page.x1 and page.y0 <= extent.y0 and extent.y1 <= page.y1
        if text.get_fontsize() < 8:
            assert extent.width < inch, text.get_text()


def test_no_network_says_so() -> None:
    figure, _ = architecture_chart(pd.DataFrame(columns=COLUMNS))
    assert "no such network" in figure.texts[0].get_text()
