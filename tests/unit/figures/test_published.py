"""Values next to what a paper prints."""

import numpy as np
import pandas as pd

from leukoflow.figures.published import COLUMNS, class_points, metric_points, points_chart, time_points

NAMES = ("accuracy", "macro_f1", "macro_auc", "mcc")


def board() -> pd.DataFrame:
    rows = []
    for rank, (model, protocol) in enumerate([("b", "image"), ("b", "patient"), ("a", "image"), ("other", "image")]):
        row = {"model": model, "protocol": protocol, "low": 0.5, "high": 0.9}
        for name in NAMES:
            row |= {name: 0.6 + 0.1 * rank, f"{name}_low": 0.1, f"{name}_high": 0.95}
            row |= {f"{name}_group_low": np.nan if model == "a" else 0.2, f"{name}_group_high": 0.99}
        rows.append(row)
    return pd.DataFrame(rows)


def test_models_by_metric_in_the_order_asked_for() -> None:
    table = metric_points(board(), ["a", "b"], {("a", "mcc"): 0.91})
    assert list(table) == COLUMNS and len(table) == 3 * 4
    assert list(dict.fromkeys(table["panel"])) == ["Accuracy", "Macro F1", "Macro AUC", "MCC"]
    assert list(dict.fromkeys(table["row"])) == ["a", "b"]
    known = table.set_index(["panel", "row", "protocol"])
    assert known.loc[("MCC", "a", "image"), "published"] == 0.91 and table["published"].notna().sum() == 1
    assert tuple(known.loc[("Accuracy", "a", "image"), ["low", "high"]]) == (0.5, 0.9)
    assert tuple(known.loc[("MCC", "a", "image"), ["low", "high"]]) == (0.1, 0.95)
    assert tuple(known.loc[("MCC", "b", "image"), ["low", "high"]]) == (0.2, 0.99)


def test_minutes_have_a_panel_and_an_axis_of_their_own() -> None:
    times = time_points({("b", "image"): 6.5, ("a", "image"): 2.0}, ["a", "b"])
    assert times[["row", "value"]].values.tolist() == [["a", 2.0], ["b", 6.5]] and times["low"].isna().all()
    figure, _ = points_chart(pd.concat([metric_points(board(), ["a", "b"], {}), times], ignore_index=True))
    shown = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}
    assert shown["Accuracy"].get_xlim()[1] == 1.02 and 6.5 < shown["Training, minutes"].get_xlim()[1] < 8
    assert sorted(line.get_xdata()[0] for line in shown["Training, minutes"].lines if line.get_marker() == "o") == [
        2,
        6.5,
    ]


def scores() -> pd.DataFrame:
    rows = []
    for seed, label in ((0, "x"), (1, "x"), (0, "y")):
        for kind, (low, high) in {"images": (0.5, 0.8), "groups": (0.7, 0.7) if label == "y" else (0.4, 0.9)}.items():
            rows.append(("a", "image", seed, "f1", label, 0.6 + 0.1 * seed, low, high, kind, "test", "all"))
            rows.append(("a", "image", seed, "recall", label, 0, 0, 0, kind, "test", "all"))
            rows.append(("a", "image", seed, "f1", label, 0, 0, 0, kind, "external", "all"))
    names = ["model", "protocol", "seed", "metric", "class", "value", "low", "high", "resampling", "role", "subset"]
    return pd.DataFrame(rows, columns=names)


def test_classes_by_model_are_means_over_runs() -> None:
    table = class_points(scores(), ["a"], {("a", "y"): 0.99})
    assert table["row"].tolist() == ["x", "y"] and table["panel"].tolist() == ["a", "a"]
    np.testing.assert_allclose(table["value"], [0.65, 0.6])
    np.testing.assert_allclose(table[["low", "high"]], [[0.4, 0.9], [0.5, 0.8]])  # groups, where they leave a width
    assert np.isnan(table["published"][0]) and table["published"][1] == 0.99


def test_the_chart_has_a_panel_for_each_and_marks_what_is_published() -> None:
    table = metric_points(board(), ["a", "b"], {("a", "mcc"): 0.91})
    figure, same = points_chart(table)
    assert same is table and [axes.get_title("left") for axes in figure.axes] == [
        "Accuracy",
        "Macro F1",
        "Macro AUC",
        "MCC",
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "image split",
        "patient split",
        "as published",
    ]
    one, _ = points_chart(table.assign(published=np.nan), one_scale=True)
    assert len({axes.get_xlim() for axes in one.axes}) == 1
    assert "as published" not in [text.get_text() for text in one.legends[0].get_texts()]
    figure, _ = points_chart(table[:0])
    assert figure.texts[0].get_text() == "No run has these numbers."
