import pandas as pd
import pytest
from fake_study import finished_study

from leukoflow.report.efficiency import efficiency_section, verdicts

PUBLISHED = {"subtype": {"accuracy": 0.98, "latency_ms": 454.67, "bytes": 1_350_000}}


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def test_section_names_the_device_and_shows_published_costs_apart(fake):
    tables = {name: pd.read_csv(fake.root / f"tables/{name}.csv") for name in ("efficiency", "energy", "speed")}
    study = fake.study
    section = efficiency_section(study, tables, [])
    assert "one thread of the processor" in section.where and "1.5 processes" in section.where
    assert section.published is None and section.features == ()
    models = {name: each.model_copy(update={"published": PUBLISHED}) for name, each in study.models.items()}
    shown = efficiency_section(study.model_copy(update={"models": models}), tables, []).published
    cells = [[cell.text for cell in row.cells] for row in shown.rows if row.cells[0].text == "neurallnet"]
    assert cells[0] == ["neurallnet", "subtype", "plain", "Latency (ms)", "455", "11.0"]
    assert [cell[4] for cell in cells] == ["455", "1,350,000"]
    first = section.grids[0]
    assert first.rows[0].baseline and "\N{EM DASH}" in {cell.text for cell in first.rows[0].cells}


def test_verdicts_say_more_or_less(fake):
    table = pd.read_csv(fake.root / "tables/energy.csv")
    spiking = table[table["spiking"]]
    (text,) = verdicts(spiking)
    # 4.6 * 9000 + 0.9 * (0.12 * 2000 + 0.21 * 160) over 4.6 * 3540 pJ; and 8000 of the MACs at a rate of 0.165.
    assert "takes 2.6 times what its twin takes" in text and "would take 37\N{NO-BREAK SPACE}% of that" in text
