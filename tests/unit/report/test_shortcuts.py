import numpy as np
import pandas as pd
import pytest
from fake_study import finished_study

from leukoflow.report.shortcuts import shortcut_findings, shortcuts_section

NAMES = ("probes", "shortcut_audit", "stain_swap", "neutralised")


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


@pytest.fixture
def tables(fake) -> dict[str, pd.DataFrame]:
    return {name: pd.read_csv(fake.root / "tables" / f"{name}.csv") for name in NAMES}


def test_every_panel_has_its_verdicts_and_tables(fake, tables):
    content = shortcuts_section(fake.study, tables, [])
    assert [panel.title for panel in content.panels] == [
        "demo, subtype: acquisition split, plain view", "demo, subtype: image split, plain view",
    ]  # fmt: skip
    panel = content.panels[1]
    named = " ".join(models for models, *_ in panel.verdicts)
    assert all(model in named for model in ("colour_histogram", "neurallnet", "resnet50_hmscam"))
    assert panel.models.rows[0].baseline and not panel.models.rows[1].baseline
    assert len(panel.neutralised.rows) == 4
    assert {row.cells[0].text for row in panel.stains.rows} == {"neurallnet"}
    assert len(content.probes.rows) == 2 * 13


def test_what_was_not_measured_has_a_dash(fake, tables):
    panel = shortcuts_section(fake.study, tables, []).panels[0]
    column = panel.models.columns.index("Accuracy in it")
    assert panel.models.rows[2].cells[column].text == "\N{EM DASH}"
    assert panel.models.rows[1].cells[column].text.endswith("%")


def test_the_finding_is_of_the_best_network_and_as_grave_as_its_level(tables):
    audit = tables["shortcut_audit"]
    by_title = {finding.title: finding for finding in shortcut_findings(tables)}
    assert len(by_title) == 2
    for protocol in ("image", "acquisition"):
        networks = audit[(audit["protocol"] == protocol) & (audit["model"] != "colour_histogram")]
        best = networks.loc[networks["accuracy"].idxmax()]
        finding = by_title[f"Shortcut audit: demo, subtype, plain view, {protocol} split"]
        assert finding.text.startswith(f"{best['model']} is right on {100 * best['accuracy']:.1f}")
        assert best["verdict"] in finding.text and "Of 2 networks" in finding.text
        expected = {"explained": "bad", "partly": "warn", "no skill": "warn", "silent": "good"}
        assert finding.tone == expected[best["level"]]


def test_nothing_audited_means_no_section(fake, tables):
    none = {name: table[:0] for name, table in tables.items()}
    assert shortcuts_section(fake.study, none, []) is None
    assert shortcut_findings(none) == []


def test_the_network_that_follows_the_stain_is_told_apart(tables):
    rows = tables["shortcut_audit"]
    rows = rows[rows["model"] == "neurallnet"]
    assert (rows["swap_flips"] > 0.4).all() and (rows["swap_loss_low"] > 0).all()
    assert set(rows["level"]) <= {"explained", "partly"}
    assert np.isnan(tables["shortcut_audit"].query("model == 'resnet50_hmscam'")["swap_flips"]).all()
