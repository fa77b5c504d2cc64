import pandas as pd
import pytest
from drawing import drawn, tables
from fake_study import finished_study

from leukoflow.figures.planted import planted_chart
from leukoflow.figures.shortcuts import shortcut_chart

PANEL = {"cohort": "demo", "task": "subtype", "view": "plain", "protocol": "image"}


@pytest.fixture
def root(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study").root


def read(root, *names: str) -> list[pd.DataFrame]:
    return [pd.read_csv(root / "tables" / f"{name}.csv") for name in names]


def test_models_probes_and_other_views_stand_on_one_scale(root):
    audit, probes, board = read(root, "shortcut_audit", "probes", "leaderboard")
    grey = board[(board["protocol"] == "image") & (board["model"] == "neurallnet")].assign(view="grey", accuracy=0.4)
    figure, table = shortcut_chart(audit, probes, pd.concat([board, grey]), PANEL)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "Models", "The same models trained on other views", "No white cell in sight", "Colours, no shapes",
        "Size and number of cells", "The file alone, which no network sees",
    ]  # fmt: skip
    assert len(table[table["condition"] == "probe"]) == 13
    accuracies = table[(table["name"] == "neurallnet") & (table["group"] == "Models")].set_index("condition")["value"]
    row = audit[(audit["model"] == "neurallnet") & (audit["protocol"] == "image")].iloc[0]
    assert accuracies["as it is"] == row["accuracy"] and accuracies["stain of another class"] == row["swap_accuracy"]
    # A model that was not put through other stains has one mark only.
    assert (table["name"] == "resnet50_hmscam").sum() == 1
    assert table.loc[table["condition"] == "view", "value"].tolist() == [0.4]


def test_the_planted_curve_has_a_point_for_each_cohort(root):
    audit, probes = read(root, "shortcut_audit", "probes")
    audit, probes = (table[table["protocol"] == "image"] for table in (audit, probes))
    levels = {"none": 0.0, "half": 0.5, "all": 1.0}
    several = [pd.concat([table.assign(cohort=name) for name in levels]) for table in (audit, probes)]
    figure, table = planted_chart(*several, levels)
    assert len(figure.axes) == 6  # two networks, three panels each
    shares = table[(table["measure"] == "no_cell_share") & (table["model"] == "neurallnet")]
    assert shares["planted"].tolist() == [0, 0.5, 1]
    assert "colour_histogram" not in set(table["model"])
    assert len(table[table["measure"] == "scale_bar"]) == 6


def test_steps_write_figures_with_their_numbers(root, tmp_path):
    files = tables(root, "shortcut_audit", "probes", "leaderboard")
    panel = {"cohort": "demo", "task": "subtype", "view": "plain", "protocol": "image"}
    assert len(drawn("shortcuts", tmp_path / "shortcuts.png", {"panel": panel}, **files)) > 5
    assert len(drawn("planted", tmp_path / "planted.png", {"planted": {"demo": 0.5}}, **files)) > 5
