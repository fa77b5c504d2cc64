import pandas as pd
import pytest
from fake_study import finished_study
from jinja2 import Environment, PackageLoader

from leukoflow.report.grid import Cell, Row, grid
from leukoflow.report.leakage import leak_findings, leakage_findings, leakage_section
from leukoflow.report.statistics import statistics_section


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


@pytest.fixture
def leakage(fake):
    return pd.read_csv(fake.root / "tables/leakage.csv")


def text_of(grid) -> list[list[str]]:
    return [[cell.text for cell in row.cells] for row in grid.rows]


def test_what_a_strict_split_costs_is_told_with_its_interval(fake, leakage):
    strict = (leakage["part"] == "all") & (leakage["target"] == "demo") & (leakage["protocol"] == "acquisition")
    model = leakage["model"].map({"colour_histogram": 0.7, "neurallnet": 0.8, "resnet50_hmscam": 0.9})
    lost = leakage.assign(accuracy=leakage["accuracy"].mask(strict, model), difference_high=0.02)
    lost["difference"] = lost["difference"].mask(strict, model - 1)
    lost["difference_low"] = -0.2

    def told(table) -> dict:
        by_title = {finding.title: finding for finding in leakage_findings(fake.study, table)}
        return by_title.get("Accuracy depends on the split: demo, subtype, plain")

    cost = told(lost)
    # The best under the strict split, not the one that loses least.
    assert "resnet50_hmscam is right on 100.0" in cost.text and "10.0 points less (interval " in cost.text
    assert "\N{MINUS SIGN}20.0 to +2.0 points" in cost.text and cost.tone == "warn"
    assert "Over all 3 models the median is 20.0 points less." in cost.text and "4 groups: the loss" in cost.text
    assert told(lost.assign(difference_high=-0.01)).tone == "bad"
    assert told(lost.assign(difference=-0.004)) is None


def test_copies_are_told_apart(fake, leakage):
    by_title = {finding.title: finding for finding in leakage_findings(fake.study, leakage)}
    text = by_title["Copies in the test set: demo, subtype, plain"].text
    copies = leakage[(leakage["part"] == "copies") & (leakage["target"] == "demo") & (leakage["protocol"] == "image")]
    number = int(copies["images"].iloc[0])
    assert text.startswith(f"{number} of ") and "of the others" in text and "points." in text


def test_the_section_has_a_table_for_each_question(fake, leakage):
    [block] = leakage_section(fake.study, {"leakage": leakage}, [])
    splits, copies, external = block.grids
    assert len(splits.rows) == 6 and splits.rows[0].baseline and "Less split image, points" in splits.columns
    assert {row[1] for row in text_of(external)} == {"away"} and len(copies.rows) >= 3
    assert leakage_section(fake.study, {"leakage": leakage[:0]}, []) is None


def test_tests_against_the_reference_stand_in_one_table(fake):
    table = pd.read_csv(fake.root / "tables/statistics.csv")
    intervals = pd.read_csv(fake.root / "tables/intervals.csv")
    [tested] = statistics_section(fake.study, {"statistics": table, "intervals": intervals}, [])
    rows = text_of(tested.pairs)
    assert [row[:2] for row in rows] == [
        ["colour_histogram", "image"], ["resnet50_hmscam", "image"], ["colour_histogram", "acquisition"],
        ["resnet50_hmscam", "acquisition"],
    ]  # fmt: skip
    assert any("Cochran Q, plain view, acquisition split" in line for line in tested.together)
    assert any("smallest p that so many blocks can give is 0.167" in line for line in tested.together)
    assert not tested.tasks
    shown = [dict(zip(tested.intervals.columns, row, strict=True)) for row in text_of(tested.intervals)]
    assert len(shown) == 12 and {row["Metric"] for row in shown} == {"accuracy", "macro F1"}
    of = intervals[(intervals["model"] == "neurallnet") & (intervals["protocol"] == "image")]
    wilson = of[(of["metric"] == "accuracy") & (of["resampling"] == "wilson")].iloc[0]
    [row] = [row for row in shown if (row["Model"], row["Split"], row["Metric"]) == ("neurallnet", "image", "accuracy")]
    assert row["Wilson"] == f"{100 * wilson['low']:.1f}\N{EN DASH}{100 * wilson['high']:.1f}\N{NO-BREAK SPACE}%"
    assert statistics_section(fake.study, {"statistics": table[:0]}, []) is None


def test_leaks_made_on_purpose_are_told_and_marked(fake):
    def studied(protocols):
        experiment = fake.study.experiments["main"].model_copy(update={"protocols": protocols})
        return fake.study.model_copy(update={"experiments": {"main": experiment}})

    rows = [
        ("net", "leaky_hmscam", "validation_as_test", 0.012, 0.001, 0.02),
        ("other", "leaky_hmscam", "validation_as_test", 0.031, 0.011, 0.05),
        ("net", "leaky_image_b", "fitted_on_all", 0.0, None, None),
    ]
    columns = ["model", "protocol", "leaks", "difference", "low", "high"]
    table = pd.DataFrame(rows, columns=columns).assign(metric="accuracy")
    (finding,) = leak_findings(studied(("leaky_hmscam", "leaky_image_b", "image")), table)
    assert finding.tone == "bad" and finding.text.startswith("leaky_hmscam and leaky_image_b divide as papers did")
    told = "+3.1 points of accuracy (other, leaky_hmscam; interval +1.1 to +5.0, the most of 2 comparisons)"
    assert f"validation_as_test: {told}" in finding.text and "(net, leaky_image_b; no answer differs)" in finding.text
    assert "Do not quote results of leaky_hmscam or leaky_image_b" in finding.action
    assert leak_findings(studied(("image",)), table[:0]) == []
    (alone,) = leak_findings(studied(("leaky_hmscam",)), table[:0])
    assert "leaky_hmscam divides" in alone.text and "No run without them" in alone.text


def test_a_table_marks_protocols_with_leaks_wherever_they_stand():
    macros = Environment(loader=PackageLoader("leukoflow.report", "templates")).get_template("macros.html.j2").module
    rows = [Row((Cell(name), Cell("1")), False) for name in ("leaky_hmscam", "hmscam")]
    page = str(macros.table(grid("Some.", ("Split", "n"), rows)))
    assert page.count("leaks on purpose") == 1
    assert 'leaky_hmscam <span class="chip">leaks on purpose</span>' in page
