import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from leukoflow.config.load import parse_study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.figures.embedding import (
    Points,
    embedding_chart,
    group_colours,
    mapped,
    nearest,
    neighbour_agreement,
    sampled,
)
from leukoflow.outputs.figures import figures_of, settings_of
from leukoflow.outputs.plan import Plan


def points(matrix: np.ndarray, label: list[int], **groups: list) -> Points:
    ids = [f"i{number:03d}" for number in range(len(matrix))]
    facts = pd.DataFrame({"image_id": ids, "class": label, **groups})
    return Points(np.asarray(matrix, np.float32), facts)


@pytest.fixture
def slides() -> Points:
    """Two classes of four slides each, six images a slide, features that know the slide alone."""
    random = np.random.default_rng(0)
    slide = np.repeat(np.arange(8), 6)
    centre = random.permutation(8)[slide] * 50.0
    matrix = centre[:, None] + random.normal(size=(48, 3))
    return points(matrix, (slide // 4).tolist(), cluster=[f"s{number}" for number in slide], patient=[None] * 48)


def test_neighbours_are_the_nearest_others():
    random = np.random.default_rng(1)
    matrix = random.normal(size=(30, 4))
    matrix[7] = matrix[3]  # a duplicate, as near as the row itself
    far = np.linalg.norm(matrix[:, None] - matrix[None], axis=2)
    np.fill_diagonal(far, np.inf)
    neighbours = nearest(matrix, 5)
    assert (neighbours != np.arange(30)[:, None]).all()
    for row in range(30):
        assert sorted(far[row, neighbours[row]]) == pytest.approx(np.sort(far[row])[:5].tolist())


def test_agreement_against_a_count_by_hand(slides):
    table = neighbour_agreement(slides).set_index("group")
    near = nearest(slides.matrix)
    label, slide = slides.facts["class"].to_numpy(), slides.facts["cluster"].to_numpy()
    alike = [[label[neighbour] == label[row] for neighbour in near[row]] for row in range(48)]
    assert table.loc["class", "share"] == pytest.approx(np.mean(alike))
    assert table.loc["class", "expected"] == pytest.approx(23 / 47)
    shares = []
    for row in range(48):
        same = [neighbour for neighbour in near[row] if label[neighbour] == label[row]]
        if same:
            shares.append(np.mean([slide[neighbour] == slide[row] for neighbour in same]))
    assert table.loc["cluster", "share"] == pytest.approx(np.mean(shares))
    assert table.loc["cluster", "expected"] == pytest.approx(5 / 23)
    assert "patient" not in table.index


def test_features_of_noise_agree_by_chance():
    random = np.random.default_rng(2)
    label, slide = random.integers(0, 3, 1500), random.integers(0, 5, 1500)
    features = points(random.normal(size=(1500, 8)), label.tolist(), cluster=[f"s{number}" for number in slide])
    table = neighbour_agreement(features)
    assert (table["share"] - table["expected"]).abs().max() < 0.02


def test_images_without_a_class_or_slide_take_no_part(slides):
    label = slides.facts["class"].to_numpy().copy()
    label[:10] = -1
    cluster = slides.facts["cluster"].where(np.arange(48) >= 20, None)
    features = Points(slides.matrix, slides.facts.assign(**{"class": label, "cluster": cluster}))
    table = neighbour_agreement(features).set_index("group")
    assert table.loc["class", "images"] == 38 and table.loc["cluster", "images"] <= 28


def test_maps_are_the_same_twice_and_keep_what_is_together_together(slides):
    first, second = mapped(slides.matrix), mapped(slides.matrix)
    assert np.array_equal(first, second) and first.shape == (48, 2)
    slide = slides.facts["cluster"].to_numpy()
    assert np.mean(slide[nearest(first, 3)] == slide[:, None]) > 0.9


@pytest.mark.parametrize("shape", [(3, 5), (40, 1), (6, 2)])
def test_few_images_or_features_have_a_map_too(shape):
    assert mapped(np.random.default_rng(0).normal(size=shape)).shape == (shape[0], 2)


def test_sampling_is_even_and_bounded():
    assert sampled(10, 4).tolist() == [0, 3, 6, 9] and sampled(3, 4).tolist() == [0, 1, 2] and len(sampled(0)) == 0
    assert len(sampled(1_000_000)) == 2000


def test_neighbouring_slides_have_other_colours_and_unknown_ones_are_grey():
    colours = group_colours(np.array([0, 1, 2, -1]))
    assert np.ptp(colours[3]) < 0.1 and min(np.abs(colours[a] - colours[b]).max() for a, b in ((0, 1), (1, 2))) > 0.2


def test_a_row_for_each_entry_a_column_for_each_group(slides):
    other = Points(slides.matrix, slides.facts.assign(patient=slides.facts["cluster"]))
    figure, table, agreement = embedding_chart({"one": slides, "two": other}, ["x", "y"])
    assert len(figure.axes) == 6 and sum(axes.get_visible() for axes in figure.axes) == 5
    assert table.groupby("features")["image_id"].nunique().tolist() == [48, 48] and set(table["class"]) == {"x", "y"}
    assert agreement[agreement["features"] == "two"]["group"].tolist() == ["class", "cluster", "patient"]
    assert f"{agreement['share'].iloc[0]:.0%} share the class" in figure.axes[0].get_xlabel()


def test_images_that_are_all_alike_lie_at_one_point():
    assert not mapped(np.full((40, 6), 0.3, np.float32)).any()


def test_umap_keeps_what_is_together_together_and_is_the_same_twice(slides):
    pytest.importorskip("umap", reason="the package umap-learn is not installed")
    first, second = mapped(slides.matrix, "umap"), mapped(slides.matrix, "umap")
    assert np.array_equal(first, second) and first.shape == (48, 2)
    slide = slides.facts["cluster"].to_numpy()
    assert np.mean(slide[nearest(first, 3)] == slide[:, None]) > 0.9
    assert mapped(np.random.default_rng(0).normal(size=(6, 4)), "umap").shape == (6, 2)


def test_the_map_of_umap_is_what_its_package_makes_of_the_components(slides, monkeypatch):
    seen = {}

    class UMAP:
        def __init__(self, **settings):
            seen.update(settings)

        def fit_transform(self, reduced):
            seen["components"] = reduced
            return np.arange(2.0 * len(reduced)).reshape(-1, 2)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=UMAP))
    figure, table, _ = embedding_chart({"one": slides}, ["x", "y"], "umap")
    assert table[["x", "y"]].to_numpy().tolist() == np.arange(96.0).reshape(-1, 2).tolist()
    assert figure.axes[0].get_title(loc="left") == "one, UMAP: by class"
    assert (seen["random_state"], seen["n_jobs"], seen["n_neighbors"]) == (0, 1, 15)
    # Principal components keep the distances of the features.
    gap = slides.matrix[0].astype(float) - slides.matrix[20]
    reduced = seen["components"][0] - seen["components"][20]
    assert np.linalg.norm(reduced) == pytest.approx(np.linalg.norm(gap), rel=1e-4)


def test_without_the_package_one_line_names_the_extra(slides, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(LeukoFlowError, match=r"umap-learn; pip install -e '\.\[umap\]', or set tsne"):
        mapped(slides.matrix, "umap")
    assert embedding_chart({"one": slides}, ["x", "y"])[0].axes[0].get_title(loc="left") == "one, t-SNE: by class"


def test_the_config_says_which_map_is_drawn():
    config = yaml.safe_load((Path(__file__).parents[3] / "workflow/studies/smoke.yaml").read_text())
    for method in ("tsne", "umap"):
        config["evaluation"]["embedding"] = method
        plan = Plan(parse_study(config), {})
        spec, panel = figures_of(plan)["embedding.demo.subtype.plain.image"]
        assert settings_of(plan, spec, panel)["embedding"] == method
