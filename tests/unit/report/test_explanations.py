import pandas as pd
import pytest
from fake_study import finished_study

from leukoflow.report.explanations import explanations_section, reading


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def row(value: float, half: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


GOOD = {"cells_ratio": row(3), "insertion_gain": row(0.2), "rank_all": row(0.1), "empty": row(0)}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "More in cells than a map that knows no network"),
        ({"cells_ratio": row(1.5)}, "More in cells than chance, no more than a map that knows no network"),
        ({"cells_ratio": row(1.02)}, "No more in cells than chance"),
        ({"cells_ratio": row(0.6)}, "Looks next to the cells"),
        ({"cells_ratio": row(float("nan"))}, "—"),
        (
            {"insertion_gain": row(0.01)},
            "More in cells than a map that knows no network; its order is no better than chance",
        ),
        (
            {"insertion_gain": row(-0.2)},
            "More in cells than a map that knows no network; its order is worse than chance",
        ),
        (
            {"empty": row(0.31)},
            "More in cells than a map that knows no network; 31\N{NO-BREAK SPACE}% of the maps are empty",
        ),
    ],
)
def test_scores_are_put_into_words(changed, expected) -> None:
    assert reading(GOOD | changed, 2) == expected


def test_a_map_that_survives_scrambling_explains_nothing() -> None:
    assert "explains the picture, not the network" in reading(GOOD | {"rank_all": row(0.8)}, 2)


def test_the_section_has_a_row_for_each_network_and_method(fake) -> None:
    table = pd.read_csv(fake.root / "tables/explanations.csv")
    content = explanations_section(fake.study, {"explanations": table}, [])
    assert content.cells and [panel.title.split(", ")[-1] for panel in content.panels] == [
        "image split", "acquisition split",
    ]  # fmt: skip
    for panel in content.panels:
        names = [tuple(cell.text for cell in row.cells[:2]) for row in panel.table.rows]
        assert names[0] == ("neurallnet", "Grad-CAM")
        assert [name for name in names if name[0] == "resnet50_hmscam"] == [
            ("resnet50_hmscam", method) for method in ("Grad-CAM", "Attention", "Attention rollout")
        ]
        assert [row.cells[0].text for row in panel.reference_maps.rows] == ["Uniform", "Centre", "Edges"]
        assert 0 < sum(map(len, panel.readings.values())) <= len(names)
        shown = panel.table.rows[0].cells[4]
        part = table[(table["protocol"] == panel.title.split(", ")[-1].split()[0]) & (table["model"] == "neurallnet")]
        part = part[(part["score"] == "cells_ratio") & (part["method"] == "gradcam") & (part["subset"] == "all")]
        assert shown.key == pytest.approx(part["value"].iloc[0])


def test_nothing_explained_leaves_the_section_out(fake) -> None:
    table = pd.read_csv(fake.root / "tables/explanations.csv")[:0]
    assert explanations_section(fake.study, {"explanations": table}, []) is None
