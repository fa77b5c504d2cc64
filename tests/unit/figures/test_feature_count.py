import pandas as pd
import pytest

from leukoflow.config.families import families, family_of
from leukoflow.config.models import Model
from leukoflow.figures.feature_count import feature_count_chart


@pytest.mark.parametrize(
    ("name", "model", "family"),
    [
        ("net_100", Model(architecture="net", features="deep"), None),
        ("net_100", Model(architecture="net", features="deep", options={"features": 100}), ("net", 100)),
        ("net_b_100", Model(architecture="net", features="deep", options={"features": 20}), ("net_b_100", 20)),
        ("net_100", Model(architecture="net", options={"features": 100}), None),
        ("net_1", Model(architecture="net", features="deep", options={"features": True}), None),
    ],
)
def test_the_family_is_the_name_without_its_number(name, model, family):
    assert family_of(name, model) == family


def read(count: int) -> Model:
    return Model(architecture="net", features="deep", options={"features": count})


def test_one_number_makes_no_curve():
    models = {"a_10": read(10), "a_20": read(20), "b_10": read(10), "colour_histogram": Model(architecture="x")}
    assert families(models) == {"a_10": ("a", 10), "a_20": ("a", 20)}


def test_lines_by_protocol_with_the_baseline():
    rows = [
        (protocol, name, accuracy, accuracy - 0.05, accuracy + 0.05)
        for protocol, drop in (("image", 0), ("patient", 0.3))
        for name, accuracy in (("a_20", 0.9 - drop), ("a_10", 0.8 - drop), ("colour_histogram", 0.7 - drop))
    ]
    board = pd.DataFrame(rows, columns=["protocol", "model", "accuracy", "low", "high"])
    figure, table = feature_count_chart(board, {"a_10": read(10), "a_20": read(20)})
    assert table[["protocol", "k", "accuracy"]].values.tolist() == [
        ["image", 10, 0.8],
        ["image", 20, 0.9],
        ["patient", 10, pytest.approx(0.5)],
        ["patient", 20, pytest.approx(0.6)],
    ]
    lines = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert [0.8, 0.9] in lines and [0.7, 0.7] in lines and len(lines) == 4
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["10", "20"]


def test_nothing_to_draw():
    board = pd.DataFrame(columns=["protocol", "model", "accuracy", "low", "high"])
    assert feature_count_chart(board, {})[1].empty
