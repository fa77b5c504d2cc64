from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.collections import PolyCollection

from leukoflow.config.load import parse_study
from leukoflow.figures.choice import typical
from leukoflow.figures.contact import Field, archive_sheet, contact_sheet, cut_cells, kept_by, kept_cells, outlines
from leukoflow.figures.stages import PARTS, Stages, parts_picture, stage_chart
from leukoflow.outputs.figures import figures_of, settings_of
from leukoflow.outputs.plan import Plan


@pytest.fixture
def labels() -> np.ndarray:
    """Two cells that touch, and one at the edge."""
    mask = np.zeros((20, 20), np.uint16)
    mask[5:11, 4:8], mask[5:11, 8:14] = 2, 4
    mask[7:9, 5:7] = 3
    mask[0:3, 15:20] = 9
    return mask


def field(labels: np.ndarray, name: str = "a", cut: frozenset[int] = frozenset()) -> Field:
    return Field(name, np.full((10, 10, 3), 200, np.uint8), labels, cut)


def drawn(axes) -> list[PolyCollection]:
    return [collection for collection in axes.collections if isinstance(collection, PolyCollection)]


def test_an_outline_runs_along_the_outermost_pixels_of_its_own_cell(labels):
    by_cell = outlines(labels)
    assert sorted(by_cell) == [1, 2, 4] and all(len(polygons) == 1 for polygons in by_cell.values())
    for cell, polygons in by_cell.items():
        rows, columns = np.nonzero(labels >> 1 == cell)
        assert polygons[0].min(0).tolist() == [columns.min(), rows.min()]
        assert polygons[0].max(0).tolist() == [columns.max(), rows.max()]
        assert all(labels[int(y), int(x)] >> 1 == cell for x, y in polygons[0])


def test_a_cell_in_two_pieces_has_two_outlines_and_a_blank_field_none():
    split = np.zeros((9, 9), np.uint16)
    split[1:3, 1:3] = split[6:8, 6:8] = 2
    assert [len(polygons) for polygons in outlines(split).values()] == [2]
    assert outlines(np.zeros((9, 9), np.uint16)) == {}


def test_parts_have_their_colours(labels):
    picture = parts_picture(labels)
    colours = {name: tuple(int(code[k : k + 2], 16) for k in (1, 3, 5)) for name, code in PARTS.items()}
    assert tuple(picture[15, 2]) == colours["background"]
    assert tuple(picture[5, 4]) == colours["cytoplasm"] and tuple(picture[7, 5]) == colours["nucleus"]


def test_the_typical_image_has_the_median_number_of_cells_and_is_near_the_middle():
    images = pd.DataFrame({"image_id": list("abcdefg"), "cells": [3, 3, 9, 0, 3, 1, 3]})
    assert typical(images, pd.Series(list("abcdefg"))) == "e"
    assert typical(images, pd.Series(["x"])) is None


def test_contact_sheet_counts_cells_and_marks_those_that_the_edge_cuts(labels):
    empty = np.zeros_like(labels)
    fields = {"x": [field(labels, "a", frozenset({4})), field(empty, "b")], "y": [], "z": [field(labels, "c")]}
    figure, table = contact_sheet(fields)
    assert table.values.tolist() == [["x", "a", 3, 1], ["x", "b", 0, 0], ["z", "c", 3, 0]]
    axes = figure.axes[0]
    assert axes.get_xlabel() == "3 cells, 1 cut by the edge"
    styles = [outline.get_linestyle()[0][1] for outline in drawn(axes)]
    assert [style is None for style in styles] == [True, True, False]
    assert sum(panel.get_visible() for panel in figure.axes) == 3


def test_pictures_of_another_size_fill_the_coordinates_of_the_label_map(labels):
    figure, _ = contact_sheet({"x": [field(labels)]})
    assert list(figure.axes[0].images[0].get_extent()) == [-0.5, 19.5, 19.5, -0.5]


def test_the_archives_mask_keeps_cells_that_it_covers_by_half(labels):
    mask = np.zeros(labels.shape, bool)
    mask[5:11, 4:6] = True  # half of cell 1
    mask[5:11, 8:10] = True  # a third of cell 2
    assert kept_cells(labels, mask) == 1 and kept_cells(labels, mask & False) == 0
    figure, table = archive_sheet({"x": [field(labels)]}, {"x": [mask]})
    assert table.values.tolist() == [["x", "a", 3, 1]]
    assert figure.axes[1].get_xlabel() == "1 of 3 in the archive's"


def test_what_the_archive_leaves_out_is_dark_at_any_size(labels):
    picture = kept_by(np.full((10, 10, 3), 200, np.uint8), labels > 0)
    assert picture[3, 3].tolist() == [200] * 3 and picture[9, 0].max() < 60


@pytest.mark.parametrize(
    ("normalised", "processed", "titles"),
    [
        (True, False, ["original", "normalised", "cytoplasm and nucleus", "single cells"]),
        (False, False, ["original", "cytoplasm and nucleus", "single cells"]),
        (False, True, ["original", "cytoplasm and nucleus", "single cells", "processed"]),
    ],
)
def test_stages_leave_out_what_the_study_has_not(labels, normalised, processed, titles):
    picture = np.full((10, 10, 3), 90, np.uint8)
    stages = Stages(field(labels), picture if normalised else None, picture + 20 if processed else None)
    figure, table = stage_chart({"x": stages, "y": None})
    assert [axes.get_title() for axes in figure.axes] == titles and table.values.tolist() == [["x", "a", 3, 0]]
    outlined = titles.index("single cells")
    assert [len(drawn(axes)) for axes in figure.axes] == [3 if panel == outlined else 0 for panel in range(len(titles))]
    if processed:
        assert (figure.axes[-1].images[0].get_array() == 110).all()


def test_the_stages_of_a_study_are_its_normalised_view_and_its_longer_chain():
    config = yaml.safe_load((Path(__file__).parents[3] / "workflow/studies/smoke.yaml").read_text())
    plan = Plan(parse_study(config), {})
    assert plan.staged("demo") == ("normalised", "phase_one")
    del config["views"]["phase_one"]
    config["experiments"]["shortcuts"]["views"] = ["normalised"]
    assert Plan(parse_study(config), {}).staged("demo") == ("normalised", None)


def test_the_augmented_picture_comes_last_and_names_its_model(labels):
    picture = np.full((10, 10, 3), 90, np.uint8)
    stages = Stages(field(labels), None, None, augmented=picture + 7)
    figure, _ = stage_chart({"x": stages}, "net_a")
    last = figure.axes[-1]
    assert last.get_title() == "augmented in training\nnet_a" and (last.images[0].get_array() == 97).all()
    assert len(figure.axes) == 4 and not drawn(last)


def test_the_augmentation_shown_is_that_of_the_first_model_that_has_one():
    config = yaml.safe_load((Path(__file__).parents[3] / "workflow/studies/smoke.yaml").read_text())
    plan = Plan(parse_study(config), {})
    assert plan.augmenting("demo", "subtype") is None
    # Features are not augmented, and the colour baseline has no such training.
    for name in ("hybridcn_nas_32", "resnet50_hmscam"):
        config["models"][name]["training"] = config["models"][name]["training"] | {"augmentation": {"rotation": 10}}
    plan = Plan(parse_study(config), {})
    run = plan.augmenting("demo", "subtype")
    assert run is not None and (run.model, run.seed) == ("resnet50_hmscam", 42)
    assert plan.augmenting("demo_ext", "subtype") is None
    drawings = figures_of(plan)
    settings = settings_of(plan, *drawings["stages.demo.subtype"])
    assert settings["augmented_for"] == "resnet50_hmscam"
    read = {
        name: spec.reads(plan, panel)["augmented"] for name, (spec, panel) in drawings.items() if spec.name == "stages"
    }
    assert read["stages.demo.subtype"] == ["results/smoke/augmented/demo.subtype/000.npy"]
    assert read["stages.demo_ext.subtype"] == []


def test_cut_cells_are_read_for_each_image(tmp_path):
    table = pd.DataFrame({"image_id": ["a", "a", "b"], "cell": [1, 2, 1], "border": [True, False, True]})
    table.to_parquet(tmp_path / "cells.parquet")
    assert cut_cells(tmp_path / "cells.parquet", ["a", "c"]) == {"a": frozenset({1}), "c": frozenset()}
