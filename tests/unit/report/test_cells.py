import numpy as np
import pandas as pd
import pytest
from fake_study import CLASSES, finished_study

from leukoflow.config.segmentation import Adaptation
from leukoflow.report import cells
from leukoflow.report.cell_findings import cell_findings
from leukoflow.report.cells import agreement, cells_section, how_found, overlap, single_cells
from leukoflow.report.features import attention_grids, features_section

NAMES = (
    "segmentation", "instances", "masks", "cells", "selection", "stability", "neighbours", "selection_methods",
    "feature_attention",
)  # fmt: skip
PERCENT = "\N{NO-BREAK SPACE}%"


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


@pytest.fixture
def tables(fake) -> dict[str, pd.DataFrame]:
    frames = {name: pd.read_csv(fake.root / "tables" / f"{name}.csv") for name in NAMES}
    for name in ("segmentation", "cells"):
        frames[name]["label"] = frames[name]["label"].fillna("")
    return frames


def told(fake, tables) -> dict:
    return {finding.title: finding for finding in cell_findings(fake.study, tables)}


def text_of(grid) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in grid.rows]


def test_dice_stands_by_source_with_left_out_beside_within(tables):
    table = overlap(tables["segmentation"])
    assert table.columns == (
        "Source", "Part", "U-Net", "U-Net, source left out", "Thresholds", "Thresholds, source left out", "Test images",
    )  # fmt: skip
    assert text_of(table)[0] == ["masked", "cell", "0.950", "0.850", "0.800", "0.700", "40"]
    assert table.rows[0].cells[2].note == "0.930\N{EN DASH}0.960"


def test_networks_that_are_compared_have_columns_of_their_own(fake, tables):
    part, single = tables["segmentation"], tables["instances"]
    mine = (part["segmenter"] == "unet") & (part["trained_on"] == "all")
    other = part[mine].assign(network="no gates", value=part["value"] - 0.3)
    one = single[(single["segmenter"] == "unet") & (single["trained_on"] == "all")].assign(network="no gates", ap50=0.1)
    tables["segmentation"], tables["instances"] = pd.concat([part, other]), pd.concat([single, one])
    table = overlap(tables["segmentation"])
    assert table.columns[2:5] == ("U-Net, gates C/4", "U-Net, gates C/4, source left out", "U-Net, no gates")
    assert text_of(table)[0][2:5] == ["0.950", "0.850", "0.650"]
    rows = {tuple(row[1:3]): row[5] for row in text_of(single_cells(tables["segmentation"], tables["instances"]))}
    assert rows["U-Net, no gates", "yes"] == "0.10" and rows["U-Net, gates C/4", "yes"] == "0.90"
    # The study's own network is what findings and agreement speak of.
    assert {row[1]: row for row in text_of(agreement(tables["segmentation"]))}["Pro"][3] == f"10{PERCENT}"
    findings = told(fake, tables)
    assert "0.950" in findings["Cells of an unseen source are found less well: masked"].text
    assert f"10{PERCENT} in Pro" in findings["Archive's masks miss most cells of Pro in demo"].text


def test_a_source_never_left_out_has_a_dash_and_agreement_is_no_dice(tables):
    part = tables["segmentation"]
    part = part[(part["trained_on"] == "all") | (part["source"] == "drawn")]
    rows = {(row[0], row[1]): row for row in text_of(overlap(part))}
    assert rows["masked", "cell"][3] == "\N{EM DASH}" and rows["drawn", "nucleus"][3] == "0.850"
    assert not any(source == "demo" for source, _ in rows)


def test_single_cells_say_whether_the_source_was_left_out(tables):
    rows = text_of(single_cells(tables["segmentation"], tables["instances"]))
    assert {(row[1], row[2]) for row in rows} == {
        (name, known) for name in ("U-Net", "Thresholds") for known in ("yes", "no, left out")
    }
    assert rows[0][3:6] == ["300", "310", "0.90"] and rows[0][-2:] == ["+0.25", "0.50"]


def test_agreement_names_every_class(tables):
    rows = {row[1]: row for row in text_of(agreement(tables["segmentation"]))}
    assert list(rows) == ["all", *CLASSES] and rows["Pro"][3] == f"10{PERCENT}"


def test_a_cohort_says_what_was_found_and_by_what_scale(fake, tables):
    section = cells_section(fake.study, tables, [])
    demo = next(cohort for cohort in section.cohorts if cohort.name == "demo")
    facts = dict(demo.facts)
    known = pd.read_parquet(fake.root / "cells/demo/cells.parquet")
    assert facts["White cells"] == str(len(known)) and facts["Images without any"] == "12"
    assert facts["Images by source of the scale"] == "its own red cells: 90, assumed: 30"
    assert demo.morphology.columns == ("Feature", *CLASSES)
    diameter = next(row for row in demo.morphology.rows if row.cells[0].text.startswith("Cell diameter"))
    pro = known[known["image_id"].str.startswith("Pro/") & ~known["border"]]["cell_diameter_um"]
    assert diameter.cells[4].text == f"{pro.median():.1f}"
    assert "Attention U-Net" in section.how and "masked and drawn" in section.how
    assert len(section.grids) == 4


def test_without_cells_or_features_there_are_no_sections(fake, tables):
    none = {name: table[:0] for name, table in tables.items()}
    assert cells_section(fake.study, none, []) is None
    assert features_section(fake.study, none, []) is None
    assert told(fake, none) == {}


def test_an_adapted_network_is_marked_wherever_its_scores_are_shown(fake, tables):
    part = tables["segmentation"]
    network = "gates C/4, adapted to demo (30 of 40 images, transductive)"
    adapted = part[(part["segmenter"] == "unet") & (part["trained_on"] == "all")].assign(network=network, value=0.99)
    tables["segmentation"] = pd.concat([adapted, part])
    grids = overlap(tables["segmentation"]), agreement(tables["segmentation"])
    assert f"U-Net, {network}" in grids[0].columns and all("test images among them" in grid.caption for grid in grids)
    assert "transductive" not in overlap(part).caption.lower() and "ransductive" not in agreement(part).caption
    # The one that finds the cells comes first, and is the one compared with archives' masks.
    assert {row[1]: row for row in text_of(grids[1])}["Pro"][3] == f"99{PERCENT}"
    asked = fake.study.segmentation.model_copy(update={"adapt": Adaptation(cohort="demo")})
    study = fake.study.model_copy(update={"segmentation": asked})
    assert "of demo, whose images it has seen without masks, test images included (transductive)" in how_found(study)
    title = "Cells are found by a network that has seen images of demo"
    assert title in {finding.title for finding in cell_findings(study, tables)} and title not in told(fake, tables)


def test_thresholds_say_what_they_were_tuned_on(fake):
    asked = fake.study.segmentation
    for sources, said in (((), "tuned on no mask"), (("masked",), "tuned on the experts' masks of masked")):
        changed = asked.model_copy(update={"method": "threshold", "sources": sources})
        assert said in how_found(fake.study.model_copy(update={"segmentation": changed}))


def test_random_networks_are_called_so(fake, tables):
    section = features_section(fake.study, tables, [])
    hybrid, morphology = section.entries.rows
    assert hybrid.cells[0].chip == "random weights" and hybrid.cells[2].text == "random and hub:a/b@1"
    assert morphology.cells[0].chip == "" and "cell morphology" in morphology.cells[1].text
    stability, neighbours = section.grids
    assert text_of(stability)[0] == ["hybrid", "demo", "plain", "acquisition", "0.50", "0.50"]
    assert stability.columns[4:] == ("k = 5", "k = 10") and stability.rows[0].cells[4].note == "Kuncheva 0.40"
    assert neighbours.columns[4:6] == ("Same class", "Same acquisition cluster, within the class")
    finding = told(fake, tables)["Features of untrained networks: hybrid"]
    assert finding.tone == "warn" and "net_a had random weights" in finding.text


def test_masks_that_miss_a_class_are_told_and_good_ones_too(fake, tables):
    finding = told(fake, tables)["Archive's masks miss most cells of Pro in demo"]
    assert finding.tone == "warn" and f"10{PERCENT} in Pro" in finding.text and f"95{PERCENT} in Early" in finding.text
    marked = tables["segmentation"]["metric"] == "marked"
    tables["segmentation"].loc[marked, "value"] = 0.9
    assert told(fake, tables)["Archive's masks agree with the cells found in demo"].tone == "good"


def test_a_source_left_out_is_told_against_thresholds(fake, tables):
    title = "Cells of an unseen source are found less well: masked"
    finding = told(fake, tables)[title]
    assert "0.850 (0.830\N{EN DASH}0.860)" in finding.text and "0.950" in finding.text and "0.700" in finding.text
    part = tables["segmentation"]
    part.loc[(part["segmenter"] == "unet") & ~part["within"], "value"] = 0.94
    assert told(fake, tables)["Cells of an unseen source are found: masked"].tone == "good"


def test_a_scale_that_goes_with_the_class_is_told(fake, tables):
    finding = told(fake, tables)["Scale goes with the class in demo"]
    assert "0.200 in Benign" in finding.text and "0.300 in Pro" in finding.text
    cells = tables["cells"]
    cells.loc[cells["feature"] == "um_per_pixel", "median"] = 0.2
    cells.loc[cells["feature"] == "scale_assumed", "images"] = 100
    again = told(fake, tables)
    assert "Scale goes with the class in demo" not in again
    assert "For 100 of 120 images" in again["Assumed scale in demo"].text


def test_images_without_cells_are_counted(fake, tables):
    assert "In 12 of 120 images" in told(fake, tables)["Images without a white cell in demo"].text


@pytest.mark.parametrize(
    ("kind", "slide", "title", "tone"),
    [
        (0.3, 0.7, "Features cluster by slide rather than class: hybrid of demo, subtype", "bad"),
        (0.9, 0.4, "Features follow the slide besides the class: hybrid of demo, subtype", "warn"),
        (0.9, 0.15, "Features do not follow the slide: hybrid of demo, subtype", "good"),
    ],
)
def test_features_that_follow_the_slide_are_told(fake, tables, kind, slide, title, tone):
    table = tables["neighbours"]
    table.loc[table["group"] == "class", "share"] = kind
    table.loc[table["group"] == "cluster", "share"] = slide
    finding = told(fake, tables)[title]
    assert finding.tone == tone and f"{slide:.0%}".replace("%", PERCENT) in finding.text


def test_masks_are_counted_and_rejects_are_a_finding(fake, tables):
    rows = text_of(cells.masks(tables["masks"]))
    assert ["masked", "the mask is 3 x 4, its image 5 x 6", "1"] in rows and ["masked", "used", "4"] in rows
    by_title = told(fake, tables)
    assert by_title["Rejected masks of masked"].tone == "warn" and "Rejected masks of drawn" not in by_title
    assert "1 of 5 masks could not be used: the mask is 3 x 4" in by_title["Rejected masks of masked"].text
    assert "1 of 4 masks hold no cell" in by_title["Masks of drawn without a cell"].text


def test_undefined_dice_is_said_and_a_source_without_any_has_a_dash(fake, tables):
    part = tables["segmentation"].copy()
    assert "undefined" not in overlap(part).caption
    cell = (part["source"] == "masked") & (part["part"] == "cell") & (part["kind"] == "expert")
    part.loc[cell, ["images", "undefined", "value", "low", "high"]] = [0, 40, np.nan, np.nan, np.nan]
    table = overlap(part)
    assert "In up to 40 images of a source neither mask has a pixel of the part" in table.caption
    assert text_of(table)[0] == ["masked", "cell", *["\N{EM DASH}"] * 4, "0"]
    assert not any("masked" in title and "unseen" in title for title in told(fake, tables | {"segmentation": part}))


def test_the_features_that_a_model_attends_to_most_are_listed(fake, tables):
    facts = {"cohort": "demo", "task": "subtype", "view": "plain", "protocol": "image", "model": "net", "fold": 0}
    rows = [
        {**facts, "seed": 1, "class": name, "feature": f"f{rank}", "position": rank, "relevance": 9.5, "images": 3,
         "attention": (0.5 if name else 0.4) / (rank + 1), "attention_sd": 0.02, "effect": -1.25, "effect_sd": 0.1}
        for rank in range(7) for name in ("", "Benign")
    ]  # fmt: skip
    (grid,) = attention_grids(pd.DataFrame(rows).replace({"class": {"": None}}))
    assert grid.columns[-3:] == ("Attention", "Benign", "Effect") and len(grid.rows) == 5
    assert text_of(grid)[1][4:] == ["f1", "2", "9.50", "0.200", "0.250", "\N{MINUS SIGN}1.2"]
    assert attention_grids(tables["feature_attention"]) == []
