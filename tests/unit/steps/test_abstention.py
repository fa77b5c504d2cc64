"""Steps on abstention, novelty and the gate, from the files of a study to tables, thresholds and figures."""

import json

import pandas as pd
import pytest
import torch
from drawing import drawn
from fake_study import finished_study

from leukoflow.audits.novelty import SCORES
from leukoflow.core.files import write_json
from leukoflow.models import registry
from leukoflow.models.inference import save_tensors
from leukoflow.steps import novelty

CLASSES = ["Benign", "Early", "Pre", "Pro"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study").root


def test_tables_say_what_was_made_up(root) -> None:
    abstention = pd.read_csv(root / "tables/abstention.csv")
    test = abstention[(abstention["role"] == "test") & (abstention["measure"] == "accuracy at coverage")]
    leaderboard = pd.read_csv(root / "tables/leaderboard.csv").set_index(["protocol", "model"])["accuracy"]
    for row in test[test["level"] == 1].itertuples():
        assert row.value == pytest.approx(leaderboard[row.protocol, row.model])
    assert set(abstention["target"]) == {"demo", "away"} and len(test) == 2 * 3 * 4
    novel = pd.read_csv(root / "tables/novelty.csv")
    means = novel[novel["role"] != "test"].groupby("score")["auroc"].mean()
    assert means["mahalanobis"] > 0.95 > means["neighbours"] > 0.65 > means["energy"] > 0.35 > means["softmax"]
    gate = pd.read_csv(root / "tables/gate.csv")
    whole = gate[gate["measure"].isna()].groupby(["role", "kind"])["refused"].mean()
    assert whole["train", "demo"] < 0.02 and whole["external", "away"] == 1
    right = pd.read_csv(root / "tables/gate_accuracy.csv")
    assert (right.loc[right["target"] == "away", "accepted_images"] == 0).all()


def test_the_gate_is_a_file_of_limits_for_each_fold(root) -> None:
    gate = json.loads((root / "gates/demo.subtype.image.json").read_text())
    assert gate["accepted"] == 0.99 and [fold["fold"] for fold in gate["folds"]] == [0]
    limits = gate["folds"][0]["limits"]
    assert set(limits) == set(gate["measures"]) and all(limit["low"] <= limit["high"] for limit in limits.values())


def test_figures_show_a_panel_and_gates_all_protocols(root, tmp_path) -> None:
    panel = "demo.subtype.plain.image"
    parts = {name: root / f"parts/abstention/{panel}/{name}.csv" for name in ("risk_curves", "conformal", "novelty")}
    for name in ("risk_coverage", "conformal", "novelty"):
        assert len(drawn(name, tmp_path / f"{name}.png", **parts))
    gates = sorted((root / "parts/gate").glob("demo.subtype.*/gate.csv"))
    table = drawn("gate", tmp_path / "gate.png", gate=gates)
    assert len(gates) == 2 and set(table["protocol"]) == {"acquisition"}  # the strictest


def test_a_network_is_shown_unknown_images(root, tmp_path) -> None:
    torch.manual_seed(0)
    model = registry.build("neurallnet", 4, "small")
    save_tensors(tmp_path / "weights.safetensors", model.state_dict())
    facts = {"architecture": "neurallnet", "size": "small", "options": {}, "classes": CLASSES, "fitting": "gradient"}
    write_json(tmp_path / "model.json", facts | {"precision": "32-true"})
    for name in ("demo", "away"):
        write_json(root / f"views/{name}.plain/view.json", {"shards": [{}, {}]})
    run = "demo.subtype.plain.image.neurallnet.fold0.seed42"
    settings = '{"novelty": {"images": 20, "non_smears": 1}, "abstention": {"levels": [0.8, 0.99]}}'
    arguments = ["--settings", settings, "--run", run, "--weights", str(tmp_path / "weights.safetensors")]
    arguments += ["--description", str(tmp_path / "model.json"), "--view-settings", '{"kind": "plain", "size": 16}']
    arguments += ["--view", *(str(root / f"views/{name}.plain/view.json") for name in ("demo", "away"))]
    arguments += ["--predictions", *(str(root / f"runs/{run}/predictions/{name}.parquet") for name in ("demo", "away"))]
    arguments += ["--split", str(root / "splits/demo.subtype.image.parquet"), "--output", str(tmp_path / "a.parquet")]
    arguments += ["--reference", str(tmp_path / "a.safetensors"), "--thresholds", str(tmp_path / "a.json")]
    novelty.main(arguments)
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert set(table["score"]) == set(SCORES) and not table.duplicated(["image_id", "role", "score"]).any()
    counts = table[table["score"] == "energy"].groupby(["role", "kind"]).size()
    assert counts["validation", "demo"] <= 20 and counts["test", "demo"] <= 20 and counts["external", "away"] == 16
    assert counts["non-smear", "text"] == 1 and table["value"].notna().all()
    thresholds = json.loads((tmp_path / "a.json").read_text())
    assert set(thresholds["novelty"]["scores"]) == set(SCORES) and thresholds["conformal"]["split"]["0.99"] is None
    assert 0 < thresholds["conformal"]["split"]["0.8"] <= 1 and thresholds["calibration"]["images"] > 4
    first = (tmp_path / "a.parquet").read_bytes()
    novelty.main(arguments)
    assert (tmp_path / "a.parquet").read_bytes() == first
