"""The section on calibration and discrimination."""

import pandas as pd
import pytest
from fake_assessment import ASSESSMENT_TABLES
from fake_study import finished_study

from leukoflow.report.assessment import FAIR, OVER, UNDER, Content, assessment_section, bias_word


@pytest.fixture(scope="module")
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def read(root) -> dict[str, pd.DataFrame]:
    tables = {name: pd.read_csv(root / f"tables/{name}.csv") for name in ASSESSMENT_TABLES}
    for table in tables.values():
        if "class" in table:
            table["class"] = table["class"].fillna("")
    return tables


@pytest.fixture(scope="module")
def content(fake) -> Content:
    section = assessment_section(fake.study, read(fake.root), [])
    assert section is not None
    return section


def test_each_panel_starts_with_the_baseline_and_shows_what_the_tables_say(fake, content) -> None:
    assert [panel.title for panel in content.panels] == [
        "demo, subtype: image split, plain view", "demo, subtype: acquisition split, plain view",
    ]  # fmt: skip
    table = read(fake.root)["calibration"]
    table = table[(table["class"] == "") & (table["role"] == "test") & (table["protocol"] == "image")]
    first = content.panels[0].grids[0]
    assert first.rows[0].baseline and first.rows[0].cells[0].text == "colour_histogram"
    column = first.columns.index("ECE")
    for row in first.rows:
        measured = table[table["model"] == row.cells[0].text].set_index("calibrator")
        assert row.cells[column].key == pytest.approx(measured.loc["none", "ece"])
        for offset, name in enumerate(("temperature", "class temperature", "isotonic"), column + 2):
            if row.cells[offset].text == "undetermined":
                assert pd.isna(measured.loc[name, "ece"])
            else:
                assert row.cells[offset].key == pytest.approx(measured.loc[name, "ece"])


def test_sentences_count_networks_and_leave_the_baseline_out(fake, content) -> None:
    table = read(fake.root)["calibration"]
    rows = table[(table["class"] == "") & (table["role"] == "test") & (table["protocol"] == "image")]
    rows = rows[(rows["calibrator"] == "none") & (rows["model"] != "colour_histogram")]
    over, under = (rows["bias_low"] > 0).sum(), (rows["bias_high"] < 0).sum()
    said = content.panels[0].sentences[0]
    assert said.startswith(f"As trained, confidence is too high in {over} of 2 networks and too low in {under}:")
    worst = rows.loc[rows["gap"].idxmax()]
    assert f"Furthest off is {worst['model']}" in said


def test_other_cohorts_operating_points_and_mixes_are_folded_away(content) -> None:
    captions = [grid.caption for grid in content.panels[0].more]
    firsts = ["Calibration", "Operating", "Positive", "Precision", "Pairs"]
    assert [caption.split(" ")[0] for caption in captions] == firsts
    points = content.panels[0].more[1]
    assert len(points.rows) == 3 * 4 and "Sensitivity, specificity 0.95 wanted" in points.columns


def test_precision_and_recall_are_those_of_the_table(fake, content) -> None:
    shown = content.panels[0].more[3]
    table = read(fake.root)["precision_recall"]
    table = table[(table["role"] == "test") & (table["protocol"] == "image")]
    assert len(shown.rows) == 3 * (4 + 1) and shown.rows[0].baseline
    for title, measure, level in (
        ("AP at a share of 0.05", "ap_at_prevalence", 0.05),
        ("KL, nats", "divergence", None),
    ):
        column = shown.columns.index(title)
        for row in shown.rows:
            measured = table[(table["model"] == row.cells[0].text) & (table["class"] == row.cells[1].text)]
            measured = measured[
                (measured["measure"] == measure)
                & (measured["level"].isna() if level is None else measured["level"] == level)
            ]
            assert row.cells[column].key == pytest.approx(measured["value"].mean())


def test_pairs_are_the_three_most_confused(fake, content) -> None:
    shown = content.panels[0].more[4]
    table = read(fake.root)["pairs"]
    table = table[(table["role"] == "test") & (table["protocol"] == "image")]
    for model, part in table.groupby("model"):
        counts = part.groupby(["class", "other"])["errors"].sum().sort_values(ascending=False)
        rows = [row for row in shown.rows if row.cells[0].text == model]
        said = [row.cells[3].key + row.cells[4].key for row in rows]
        assert said == counts.head(3).tolist()
        share = rows[0].cells[6].key
        assert share is None if not counts.sum() else share == pytest.approx(counts.iloc[0] / counts.sum())


def test_the_word_follows_the_interval() -> None:
    limits = [(0.01, 0.1), (-0.1, -0.01), (-0.1, 0.1), (float("nan"), float("nan"))]
    assert [bias_word(*limit) for limit in limits] == [OVER, UNDER, FAIR, "no interval"]


def test_a_study_of_baselines_alone_has_no_section(fake) -> None:
    tables = {name: table[table["model"] == "colour_histogram"] for name, table in read(fake.root).items()}
    assert assessment_section(fake.study, tables, []) is None
