import numpy as np
import pandas as pd

from leukoflow.figures.explanations import (
    HEAT,
    Shown,
    explanation_grid,
    explanation_scores,
    overlay,
    own_method,
    pick_right,
    pick_wrong,
)

CLASSES = ("Benign", "Early", "Pre")


def shown(model: str, predicted: list[int], methods: tuple[str, ...] = ("gradcam",)) -> Shown:
    """Images a, b, c ... of classes 0, 1, 0, 1 ..."""
    images = pd.DataFrame({"image_id": list("abcdefgh")[: len(predicted)], "predicted": predicted})
    images["y"] = np.arange(len(images)) % 2
    rows = pd.concat([images.assign(method=name, reference_map=name == "uniform") for name in (*methods, "uniform")])
    return Shown(model, rows.reset_index(drop=True), np.full((len(rows), 4, 4), 128, np.uint8))


def test_images_are_those_that_most_models_get_right() -> None:
    models = [shown("one", [0, 0, 0, 1]), shown("two", [1, 1, 0, 1]), shown("three", [1, 0, 0, 1])]
    assert pick_right(models, 3) == ["c", "d", None]


def test_mistakes_are_of_as_many_classes_as_there_are() -> None:
    assert pick_wrong(shown("one", [1, 0, 1, 1, 1, 1, 1])) == ["a", "b", "c", "e"]
    assert pick_wrong(shown("one", [0, 1])) == []


def test_attention_is_shown_rolled_out_where_it_can_be() -> None:
    assert own_method(shown("one", [0], ("gradcam", "attention", "rollout")).rows) == ["gradcam", "rollout"]
    assert own_method(shown("one", [0], ("gradcam", "attention")).rows) == ["gradcam", "attention"]


def test_heat_lies_where_it_is_and_the_picture_shines_through() -> None:
    picture = np.full((8, 8, 3), 200, np.uint8)
    picture[:, 4:] = 20
    heat = np.array([[0, 0], [255, 255]], np.uint8)
    made = overlay(picture, heat)
    assert made.shape == picture.shape and made.dtype == np.uint8
    assert (made[:, :4].astype(int).sum(2) > made[:, 4:].astype(int).sum(2)).all()
    assert made[-1, 0, 1] > made[0, 0, 1] and HEAT.name == "viridis"


def test_the_grid_names_what_it_shows() -> None:
    models = [shown("one", [0, 0, 0, 1], ("gradcam", "rollout")), shown("two", [0, 1, 0, 1])]
    pictures = {name: np.zeros((8, 8, 3), np.uint8) for name in "abcd"}
    labels = {name: np.pad(np.full((4, 4), 2, np.uint16), 2) for name in "abcd"}
    figure, table = explanation_grid(models, pictures, labels, CLASSES)
    assert table[table["shown_as"] == "mistake"]["image_id"].tolist() == ["b", "b"]
    right = table[table["shown_as"] == "one of the class"]
    assert right["image_id"].tolist() == ["a", "d"] * 3
    names = [axes.get_ylabel().split("\n")[-1] for axes in figure.axes if axes.get_ylabel()]
    assert names == ["cells outlined", "Grad-CAM", "attention rollout", "Grad-CAM"]


def test_nothing_explained_is_said() -> None:
    figure, table = explanation_grid([], {}, {}, CLASSES)
    assert table.empty and "No model was explained" in figure.texts[0].get_text()
    columns = ["model", "method", "reference_map", "score", "subset", "value", "low", "high"]
    figure, _ = explanation_scores(pd.DataFrame(columns=columns))
    assert "No model was explained" in figure.texts[0].get_text()


def test_panels_are_the_scores_that_are_defined() -> None:
    rows = []
    for method, is_reference in (("gradcam", False), ("edges", True)):
        for score in ("cells_ratio", "insertion_gain", "rank_all", "probability"):
            value = np.nan if score == "cells_ratio" else 0.3
            rows.append(("one", method, is_reference, score, "all", value, value - 0.1, value + 0.1))
    columns = ["model", "method", "reference_map", "score", "subset", "value", "low", "high"]
    figure, table = explanation_scores(pd.DataFrame(rows, columns=columns))
    assert [axes.get_title(loc="left").split(",")[0].split("\n")[0] for axes in figure.axes] == [
        "Insertion", "Likeness after all",
    ]  # fmt: skip
    assert set(table["score"]) == {"cells_ratio", "insertion_gain", "rank_all"}
