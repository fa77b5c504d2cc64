import numpy as np
import pandas as pd
import pytest

from leukoflow.figures.feature_attention import SHOWN, feature_attention_chart

CLASSES = ["Benign", "Pro"]


def table_of(count: int) -> pd.DataFrame:
    """Attention that rises with the rank's number, and is all on the last feature in class Pro."""
    share = np.arange(1, count + 1) / np.arange(1, count + 1).sum()
    parts = []
    for name in ("", *CLASSES):
        attention = share if name != "Pro" else np.eye(count)[-1]
        facts = {"class": name, "feature": [f"f{number}" for number in range(count)], "position": range(count)}
        parts.append(pd.DataFrame(facts | {"attention": attention, "attention_sd": 0.01, "images": 5}))
    return pd.concat(parts, ignore_index=True)


def test_bars_are_the_leading_features_and_dots_their_classes():
    figure, table = feature_attention_chart({"net": table_of(20)}, CLASSES)
    bars, ranks = figure.axes
    widths = [bar.get_width() for bar in bars.patches]
    assert widths == pytest.approx([(20 - rank) / 210 for rank in range(SHOWN)])
    labels = [label.get_text() for label in bars.get_yticklabels()]
    assert labels[0] == "f19 (rank 20)" and labels[-1] == "f8 (rank 9)"
    dots = [line for line in bars.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[list(line.get_ydata()).index(0)] for line in dots] == pytest.approx([20 / 210, 1])
    points = ranks.lines[0]
    assert list(points.get_xdata()) == list(range(1, 21))
    assert points.get_ydata()[3] == pytest.approx(4 / 210)
    even = [line.get_xdata()[0] for line in bars.lines if list(line.get_ydata()) == [0, 1]]
    assert even == [1 / 20] and ranks.lines[1].get_ydata()[0] == 1 / 20
    assert ranks.get_title(loc="left") == "rank correlation +1.00"
    assert len(table) == 20 + 2 * SHOWN and set(table["model"]) == {"net"}


def test_models_without_attention_are_left_out():
    figure, table = feature_attention_chart({"net": table_of(4), "none": table_of(4)[:0]}, CLASSES)
    assert len(figure.axes) == 2 and set(table["model"]) == {"net"}
    figure, table = feature_attention_chart({"none": table_of(4)[:0]}, CLASSES)
    assert table.empty and "No model attends" in figure.texts[0].get_text()
