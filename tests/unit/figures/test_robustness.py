import numpy as np
import pandas as pd

from leukoflow.figures.modules import modules_chart
from leukoflow.figures.robustness import MOST_BANDS, robustness_chart


def table(models: list[str]) -> pd.DataFrame:
    rows = []
    for model in models:
        for family, level, value in (("none", np.nan, 0.9), ("jpeg", 10, 0.5), ("jpeg", 50, 0.8), ("rotation", 5, 0.9)):
            limits = {"low": value - 0.1, "high": value + 0.1}
            rows.append(
                {"model": model, "perturbation": family, "level": level, "metric": "accuracy", "value": value} | limits
            )
    return pd.DataFrame(rows)


def test_lines_start_unchanged_and_harm_lies_to_the_right():
    figure, shown = robustness_chart(table(["colour_histogram", "net"]))
    jpeg, rotation = (axes for axes in figure.axes if axes.get_visible())
    assert (jpeg.get_title(loc="left"), rotation.get_title(loc="left")) == ("JPEG", "Rotation")
    line = next(curve for curve in jpeg.lines if len(curve.get_xdata()) == 3)
    assert line.get_xdata().tolist() == [10, 50, 100] and line.get_ydata().tolist() == [0.5, 0.8, 0.9]
    assert jpeg.xaxis_inverted() and not rotation.xaxis_inverted()
    assert len(jpeg.collections) == 2 and len(shown) == 8


def test_many_models_have_no_bands_and_styles_of_their_own():
    figure, _ = robustness_chart(table([f"net{number}" for number in range(12)]))
    lines = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]
    assert MOST_BANDS < 12 and not figure.axes[0].collections
    assert len({(line.get_color(), line.get_linestyle(), line.get_marker()) for line in lines}) == 12


def test_without_families_the_figure_says_so():
    figure, _ = robustness_chart(table(["net"]).query("perturbation == 'none'"))
    assert "No family" in figure.texts[0].get_text()


def test_modules_have_a_line_each_and_one_scale_that_holds_them_all():
    rows = [
        {"model": "net", "module": module, "perturbation": family, "level": level, "measure": measure}
        | {"value": value, "low": value - 0.1, "high": value + 0.1}
        for module in ("First", "Second")
        for measure, top in (("shared", 1.0), ("relative", 3.0))
        for family, level, value in (
            ("none", np.nan, 0.0),
            ("jpeg", 10, top),
            ("jpeg", 50, top / 2),
            ("rotation", 5, 0.2),
        )
    ]
    for measure, top in (("shared", 1.0), ("relative", 3.0)):
        figure, shown = modules_chart(pd.DataFrame(rows), measure)
        jpeg, rotation = (axes for axes in figure.axes if axes.get_visible())
        lines = [line for line in jpeg.lines if len(line.get_xdata()) == 3]
        assert [line.get_ydata().tolist() for line in lines] == [[top, top / 2, 0.0]] * 2 and len(shown) == 8
        assert jpeg.get_ylim() == rotation.get_ylim() and jpeg.get_ylim()[1] > top
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["First", "Second"]
