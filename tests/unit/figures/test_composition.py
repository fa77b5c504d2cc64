"""Bars of classes by role."""

import pandas as pd
import pytest

from leukoflow.figures.composition import composition_chart

TABLE = pd.DataFrame(
    [("image", 0, "a", 6, 1, 3), ("image", 1, "a", 6, 1, 3), ("image", 0, "b", 2, 3, 1), ("image", 1, "b", 2, 3, 1)],
    columns=["protocol", "fold", "class", "train", "validation", "test"],
)


def test_bars_are_shares_that_fill_the_role_and_numbers_are_images_in_a_fold() -> None:
    (axes,) = composition_chart(TABLE, ("a", "b", "c")).axes
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    assert widths == [pytest.approx([0.75, 0.25, 0.75]), pytest.approx([0.25, 0.75, 0.25]), [0, 0, 0]]
    assert [text.get_text() for text in axes.texts] == ["8", "4", "4"]


def test_protocols_are_drawn_from_loose_to_strict() -> None:
    table = pd.concat([TABLE.assign(protocol=name) for name in ("patient", "image")])
    titles = [axes.get_title("left") for axes in composition_chart(table, ("a", "b")).axes]
    assert titles == ["image split", "patient split"]
