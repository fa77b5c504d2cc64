"""The step that lists components: the whole of a classifier of features, and lines of code."""

from pathlib import Path

import pandas as pd

from leukoflow.config.load import load_study
from leukoflow.core.files import write_json
from leukoflow.outputs.plan import Plan
from leukoflow.steps import components

ROOT = Path(__file__).resolve().parents[3]


def test_every_architecture_of_the_smoke_study(tmp_path: Path) -> None:
    study = load_study(ROOT / "workflow/studies/smoke.yaml")
    named = Plan(study, dict.fromkeys(study.cohorts, "")).architectures
    known = {"neurallnet", "resnet50_hmscam", "hybridcn_nas", "leukonet"}
    assert {study.models[name].architecture for name in named} == known
    write_json(tmp_path / "study.json", study.model_dump(mode="json"))
    models = [f"{run.model}.{run.task}.{run.view}" for run in named.values()]
    output = tmp_path / "components.csv"
    components.main(["--study", str(tmp_path / "study.json"), "--models", *models, "--output", str(output)])
    table = pd.read_csv(output)
    assert list(table) == components.COLUMNS and list(dict.fromkeys(table["model"])) == list(named)
    for name, part in table.groupby("model"):
        assert abs(part["share"].sum() - 1) < 1e-9
        side = 32 if name == "leukonet" else 64
        assert part["takes"].iloc[0] == f"3 x {side} x {side}" and part["gives"].iloc[-1] == "4"
    lines = table.set_index(["model", "component"])["pseudocode"]
    assert lines["resnet50_hmscam", "head"] == "head = Linear(add 2)"
    assert lines["resnet50_hmscam", "output"] == "output = head" and pd.isna(lines["resnet50_hmscam", "input"])
    hybrid = table[table["model"].str.startswith("hybridcn")]
    assert set(hybrid["part"]) >= {"networks", "stack", "classifier"}
