"""Models on features of networks among those that are explained and exported; those on cells' morphology not, but their
attention to features is measured too."""

from pathlib import Path
from typing import Any

import yaml

from leukoflow.config.plan import exported_runs
from leukoflow.config.study import Study
from leukoflow.outputs.plan import Plan

SMOKE = Path(__file__).resolve().parents[3] / "workflow/studies/smoke.yaml"


def smoke(**changes: Any) -> Study:
    """The smoke study, its experiment on features changed."""
    config = yaml.safe_load(SMOKE.read_text())
    config["experiments"]["features"] |= changes
    return Study.model_validate(config)


def test_of_an_experiment_on_features_the_first_network_is_exported() -> None:
    runs = exported_runs(smoke())
    assert runs["hybridcn_nas_32"].view == "plain" and "morphology" not in runs and "colour_histogram" not in runs
    on_chain = exported_runs(smoke(views=["phase_one"]))
    assert on_chain["hybridcn_nas_32"].view == "phase_one"


def test_networks_behind_features_are_explained() -> None:
    study = smoke(checks=["explain"])
    runs = Plan(study, {}).explained["demo", "subtype", "plain", "image"]
    assert {"hybridcn_nas_32", "hybridcn_nas_64"} <= {run.model for run in runs}
    assert not {"morphology", "colour_histogram"} & {run.model for run in runs}


def test_attention_to_features_is_measured_of_the_first_run_of_each_model_that_reads_them() -> None:
    study = smoke(checks=["explain"], protocols=["five_folds"], seeds=[3, 4], views=["plain", "cells"])
    plan = Plan(study, {})
    (panel,) = plan.attending
    assert panel == ("demo", "subtype", "plain", "five_folds")
    runs = [(run.model, run.fold, run.seed) for run in plan.attending[panel]]
    assert runs == [(name, 0, 3) for name in ("hybridcn_nas_32", "hybridcn_nas_64", "morphology")]
    assert Plan(smoke(), {}).attending == {}
