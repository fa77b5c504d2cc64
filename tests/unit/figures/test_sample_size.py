import pandas as pd

from leukoflow.figures.sample_size import class_sizes_chart, sample_size_chart


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


def test_accuracy_alone_has_no_line_of_f1():
    columns = ["model", "protocol", "metric", "class", "train_images", "value", "sd", "low", "high"]
    rows = [("net", "image", metric, "", n, 0.5, 0.1, 0.4, 0.6) for metric in ("accuracy", "f1") for n in (10, 40)]
    figure, shown = sample_size_chart(pd.DataFrame(rows, columns=columns), ("accuracy",))
    assert set(shown["metric"]) == {"accuracy"}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["image split"]
    figure, shown = sample_size_chart(pd.DataFrame(rows, columns=columns))
    assert "macro F1" in [text.get_text() for text in figure.legends[0].get_texts()] and len(shown) == 4


def test_each_class_has_its_line_of_f1():
    columns = ["model", "protocol", "metric", "class", "train_images", "value", "sd", "low", "high"]
    values = {"Benign": (0.2, 0.7), "Pre": (0.4, 0.9)}
    rows = [
        ("net", "image", "f1", label, n, value, float("nan"), 0, 1)
        for label, pair in values.items()
        for n, value in zip((40, 10), pair[::-1], strict=True)
    ]
    rows += [("net", "image", "f1", "", n, 0.1, 0.0, 0, 1) for n in (10, 40)]
    figure, shown = class_sizes_chart(pd.DataFrame(rows, columns=columns))
    (axes,) = figure.axes
    drawn = [line.get_ydata().tolist() for line in axes.lines if line.get_linestyle() == "-"]
    assert drawn == [[0.2, 0.7], [0.4, 0.9]] and len(shown) == 4
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Benign", "Pre"]
    assert "No model" in class_sizes_chart(pd.DataFrame(columns=columns))[0].texts[0].get_text()
