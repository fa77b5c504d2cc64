import pandas as pd

from leukoflow.figures.sample_size import sample_size_chart


def test_accuracy_rises_with_the_images_of_each_protocol():
    rows = [
        ("net", protocol, metric, "", images, value, 0.01, value - 0.1, value + 0.05)
        for protocol in ("image", "patient")
        for images, value in ((100, 0.6), (400, 0.9))
        for metric in ("accuracy", "f1")
    ]
    columns = ["model", "protocol", "metric", "class", "train_images", "value", "sd", "low", "high"]
    figure, shown = sample_size_chart(pd.DataFrame(rows, columns=columns))
    (axes,) = figure.axes
    curves = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 2]
    assert [line.get_ydata().tolist() for line in curves] == [[0.6, 0.9]] * 2 and len(shown) == 8
    assert axes.get_xlim()[0] == 0 and axes.get_ylim()[0] < 0.5


def test_without_shares_the_figure_says_so():
    figure, _ = sample_size_chart(pd.DataFrame({"class": [], "model": []}))
    assert "No model" in figure.texts[0].get_text()
