"""Table `ablation`: which runs are compared, and what of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from leukoflow.config.compared import ablated, swept
from leukoflow.config.load import parse_study
from leukoflow.config.study import Study
from leukoflow.core.files import write_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run
from leukoflow.stats.ablation import ablation_table

SMOKE = Path(__file__).parents[3] / "workflow/studies/smoke.yaml"
RIGHT = {"hybridcn_nas_32": 60, "hybridcn_nas_32_less": 45}
"""Of 80 test images; on the other view 50."""


def study(**more: object) -> Study:
    config = yaml.safe_load(SMOKE.read_text())
    config["experiments"]["features"] |= {"models": ["colour_histogram", "hybridcn_nas_32"], "seeds": [1, 2], **more}
    return parse_study(config)


def predictions(run: Run) -> pd.DataFrame:
    right = 50 if run.view == "normalised" else RIGHT[run.model]
    y = np.arange(80) % 4
    answer = np.where(np.arange(80) < right, y, (y + 1) % 4)
    table = pd.DataFrame(
        {"image_id": [f"i{number:02d}" for number in range(80)], "group": [f"g{number // 2}" for number in range(80)]}
    )
    table = table.assign(role="test", y=y, perturbation="none", probabilities=list(np.eye(4)[answer]))
    held = table.assign(role="validation", image_id="v" + table["image_id"], probabilities=list(np.eye(4)[y]))
    # Rows lie otherwise in every file.
    return pd.concat([held, table]).sample(frac=1, random_state=run.seed + len(run.view), ignore_index=True)


def test_each_part_is_compared_with_the_whole_on_the_same_images(tmp_path: Path) -> None:
    ablation = {"less": {"training.epochs": 1}, "unstained": {"view": "normalised"}}
    asked = study(ablation=ablation)
    listed = ablated(asked)
    assert [(member.of, member.entry, len(member.runs)) for member in listed] == [
        ("hybridcn_nas_32", "", 2), ("hybridcn_nas_32", "less", 2), ("hybridcn_nas_32", "unstained", 2),
    ]  # fmt: skip
    files = {}
    for run in {run for member in listed for run in member.runs}:
        files[run] = tmp_path / run.name / "predictions/demo.parquet"
        files[run].parent.mkdir(parents=True)
        write_table(files[run], predictions(run))
    settings = {
        "ablated": [
            {
                "experiment": member.experiment,
                "of": member.of,
                "entry": member.entry,
                "runs": [run.name for run in member.runs],
            }
            for member in listed
        ],
        "evaluation": {"resamples": 300},
        "tasks": {name: task.model_dump() for name, task in asked.tasks.items()},
    }
    table = ablation_table(Inputs({"predictions": list(files.values())}, settings))
    assert table["part"].tolist() == ["whole", "less", "unstained"]
    assert table["view"].tolist() == ["plain", "plain", "normalised"]
    assert table["variant"].tolist() == ["hybridcn_nas_32", "hybridcn_nas_32_less", "hybridcn_nas_32"]
    np.testing.assert_allclose(table["accuracy"], [60 / 80, 45 / 80, 50 / 80])
    np.testing.assert_allclose(table["difference"].iloc[1:], [-15 / 80, -10 / 80])
    assert table["difference"].isna().tolist() == [True, False, False]
    assert (table["images"] == 80).all() and (table["groups"] == 40).all() and (table["runs"] == 2).all()
    below = table.iloc[1:]
    assert ((below["low"] < below["difference"]) & (below["difference"] < below["high"]) & (below["high"] < 0)).all()
    # Classes are as frequent as each other and errors are spread evenly, so that F1 falls about as accuracy does.
    np.testing.assert_allclose(below["f1_difference"], below["difference"], atol=0.01)


def test_a_study_without_them_has_neither() -> None:
    assert ablated(study()) == [] and swept(study()) == {}


def test_the_variants_of_a_sweep() -> None:
    variants = swept(study(sweep={"training.epochs": [1, 3]}))["features"]
    last = variants["hybridcn_nas_32_epochs_3"]
    assert (last.of, last.values) == ("hybridcn_nas_32", {"training.epochs": 3})
    assert len(variants) == 2
