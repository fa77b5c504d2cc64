"""Section Robustness: what it says is what the table holds."""

import pandas as pd
import pytest
from fake_study import finished_study

from leukoflow.core.files import read_table
from leukoflow.report.robustness import robustness_section, said, sentences, sizes_grid


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def test_the_section_names_what_breaks_and_sets_published_figures_beside(fake):
    names = ("robustness", "modules", "sample_size", "remedies")
    content = robustness_section(fake.study, {name: read_table(fake.root / f"tables/{name}.csv") for name in names}, [])
    titles = {panel.title for panel in content.panels}
    assert titles == {f"demo, subtype: plain view, {name} split" for name in ("acquisition", "image")}
    said_of = {text.split(" ")[0]: text for text in content.panels[0].sentences}
    assert "breaks under" in said_of["neurallnet"] and "brightness" in said_of["neurallnet"]
    assert "Within 5 points at every level: JPEG and rotation" in said_of["neurallnet"]
    assert content.panels[0].worst.rows[0].baseline and not content.left_out
    rows = {(row.cells[1].text, row.cells[2].text): row for row in content.published.rows}
    assert len(rows) == 6
    (remedies,) = content.remedies
    gained = {(row.cells[0].text, row.cells[2].text): row.cells for row in remedies.rows}
    assert len(gained) == 4 and gained["colour_histogram", "image"][4].key > 0.1  # under light the reference falls
    modules = content.modules.rows
    assert len(modules) == 4 and modules[0].cells[2].text == "MSCA" and content.sizes is None
    assert [cell.text for cell in modules[0].cells[5:]] == ["40\N{NO-BREAK SPACE}%"] * 3
    row = rows["demo, plain view, image split", "brightness \N{MINUS SIGN}25\N{NO-BREAK SPACE}%"]
    assert row.cells[5].text == "36.2\N{NO-BREAK SPACE}%" and row.cells[3].note and row.cells[4].note


def test_the_mildest_level_that_breaks_is_named():
    rows = [("none", float("nan"), "accuracy", 0.9, 0.8, 1.0), ("none", float("nan"), "drop", 0.0, None, None)]
    for level, drop in ((0.01, 0.02), (0.05, 0.3), (0.1, 0.5)):
        rows.append(("gaussian_noise", level, "drop", drop, drop - 0.01, drop + 0.01))
    rows.append(("occlusion", 0.1, "drop", 0.2, -0.05, 0.4))  # may be chance
    table = pd.DataFrame(rows, columns=["perturbation", "level", "metric", "value", "low", "high"]).assign(model="net")
    (text,) = sentences(table)
    assert "noise of variance 0.05 (60.0" in text and "occlusion" not in text.lower() and "covered" not in text


def test_levels_in_words():
    assert said("stain_shift", -0.2) == "a stain shift of \N{MINUS SIGN}20\N{NO-BREAK SPACE}%"
    assert said("jpeg", 30.0) == "JPEG quality 30"


def test_without_changed_images_there_is_no_section(fake):
    assert robustness_section(fake.study, {"robustness": pd.DataFrame(), "sample_size": pd.DataFrame()}, []) is None


def test_sizes_are_rows_with_their_limits():
    rows = [
        ("net", share, images, metric, label, value, 0.02, value - 0.1, value + 0.1, 5)
        for share, images, value in ((0.25, 100, 0.6), (1.0, 400, 0.9))
        for metric, label in (("accuracy", ""), ("f1", None), ("f1", "Pro"))
    ]
    columns = ["model", "share", "train_images", "metric", "class", "value", "sd", "low", "high", "runs"]
    table = pd.DataFrame(rows, columns=columns).assign(cohort="demo", task="subtype", view="plain", protocol="image")
    sizes = sizes_grid(table)
    assert [row.cells[2].text for row in sizes.rows] == ["25\N{NO-BREAK SPACE}%", "100\N{NO-BREAK SPACE}%"]
    assert [row.cells[4].key for row in sizes.rows] == [0.6, 0.9] and sizes.rows[0].cells[4].note.startswith("50.0")
