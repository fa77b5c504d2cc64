import pandas as pd
import pytest
from fake_study import finished_study

from leukoflow.report.efficiency import efficiency_section, verdicts

TABLES = ("efficiency", "energy", "speed", "accuracy_and_cost")
PUBLISHED = {"subtype": {"accuracy": 0.98, "latency_ms": 454.67, "bytes": 1_350_000}}


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def test_section_names_the_device_and_shows_published_costs_apart(fake):
    tables = {name: pd.read_csv(fake.root / f"tables/{name}.csv") for name in TABLES}
    study = fake.study
    section = efficiency_section(study, tables, [])
    assert "one thread of the processor" in section.where and "1.5 processes" in section.where
    assert section.published is None and section.features == ()
    models = {name: model.model_copy(update={"published": PUBLISHED}) for name, model in study.models.items()}
    shown = efficiency_section(study.model_copy(update={"models": models}), tables, []).published
    cells = [[cell.text for cell in row.cells] for row in shown.rows if row.cells[0].text == "neurallnet"]
    assert cells[0] == ["neurallnet", "subtype", "plain", "Latency", "455\xa0ms", "11.0\xa0ms"]
    assert [cell[4] for cell in cells] == ["455\xa0ms", "1.35\xa0MB"]
    accuracy = pd.read_csv(fake.root / "tables/leaderboard.csv").set_index(["protocol", "model"])["accuracy"]
    row = next(
        row for row in section.accuracy.rows if (row.cells[1].text, row.cells[0].text) == ("image", "neurallnet")
    )
    assert row.cells[2].key == accuracy["image", "neurallnet"] and row.cells[7].text == "11.0\xa0ms"
    first = section.grids[0]
    assert first.rows[0].baseline and "\N{EM DASH}" in {cell.text for cell in first.rows[0].cells}


def test_verdicts_say_more_or_less(fake):
    table = pd.read_csv(fake.root / "tables/energy.csv")
    spiking = table[table["spiking"]]
    (text,) = verdicts(spiking)
    # 4.6 * 9000 + 0.9 * (0.12 * 2000 + 0.21 * 160) over 4.6 * 3540 pJ; and 8000 of the MACs at a rate of 0.165.
    assert "takes 2.6 times what its twin takes" in text and "would take 37\N{NO-BREAK SPACE}% of that" in text


def test_classifiers_of_features_stand_apart_from_what_an_answer_costs(fake):
    tables = {name: pd.read_csv(fake.root / f"tables/{name}.csv") for name in TABLES}
    row = tables["efficiency"][tables["efficiency"]["model"] == "neurallnet"].iloc[0].to_dict()
    alone = {"classifier_inputs": 200, "classifier_parameters": 9_476, "classifier_bytes": 40_000}
    alone |= {"classifier_macs": 100_000, "classifier_latency_p50_ms": 0.55, "reads": "features"}
    way = row | alone | {"model": "hybrid", "parameters": 32_000_000, "latency_p50_ms": 95.0}
    cells = row | alone | {"model": "cells", "parameters": float("nan"), "latency_p50_ms": float("nan")}
    tables["efficiency"] = pd.concat([tables["efficiency"], pd.DataFrame([way, cells])], ignore_index=True)
    section = efficiency_section(fake.study, tables, [])
    assert section.features == ("hybrid",) and section.unmeasured == ("cells",)
    shown = {line.cells[0].text: [cell.text for cell in line.cells] for line in section.classifiers.rows}
    assert set(shown) == {"hybrid", "cells"}
    assert shown["hybrid"][3:5] == ["200", "9,476"] and shown["hybrid"][-1] == "550\xa0\N{GREEK SMALL LETTER MU}s"
    whole = {line.cells[0].text: [cell.text for cell in line.cells] for line in section.grids[0].rows}
    assert whole["hybrid"][4] == "32,000,000" and "9,476" not in whole["hybrid"] + whole["cells"]
    assert whole["hybrid"][8].startswith("95") and whole["cells"][4] == "\N{EM DASH}"
