"""Variants of a sweep: which is best on validation images, and what each does on test images."""

import json
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run, parse_run

KEYS = ["experiment", "cohort", "task", "view", "protocol", "model"]
COLUMNS = [
    *KEYS, "variant", "values", "runs", "validation_images", "validation_accuracy", "validation_loss", "chosen",
    "images", "accuracy", "macro_f1",
]  # fmt: skip


def sweeps_table(inputs: Inputs) -> pd.DataFrame:
    """Table `sweeps`, from the `predictions` of the runs that setting `swept` lists by experiment.

    Each entry of `swept` has experiment, variant, of, values (by key) and runs. In each view and protocol one variant
    of a model is chosen: the one of the highest validation accuracy, mean over runs; of equal ones that of the lowest
    validation loss, then the first.
    """
    files = inputs.by_run("predictions")
    rows = []
    for entry in inputs.settings["swept"]:
        by_place: dict[tuple[str, str], list[Run]] = {}
        for run in map(parse_run, entry["runs"]):
            by_place.setdefault((run.view, run.protocol), []).append(run)
        for (view, protocol), runs in by_place.items():
            means = pd.DataFrame([measured(read_table(files[run])) for run in runs]).mean()
            key = (entry["experiment"], runs[0].cohort, runs[0].task, view, protocol, entry["of"])
            row: dict[str, Any] = dict(zip(KEYS, key, strict=True))
            rows.append(
                row
                | {str(name): value for name, value in means.items()}
                | {"variant": entry["variant"], "values": json.dumps(entry["values"]), "runs": len(runs)}
            )
    return with_choice(pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "chosen"]))[COLUMNS]


def with_choice(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `chosen`, true for one variant of each model, view and protocol of an experiment.

    It looks at columns of validation alone. Rows keep their order, those of one choice together.
    """
    order = table.assign(_index=np.arange(len(table))).sort_values(
        ["validation_accuracy", "validation_loss", "_index"], ascending=[False, True, True], kind="stable"
    )
    best = order.drop_duplicates(KEYS)["_index"]
    made = table.assign(chosen=np.isin(np.arange(len(table)), best))
    # Places in the order in which the study lists them.
    first = made.groupby(KEYS, sort=False).ngroup() if len(made) else pd.Series(dtype=int)
    return made.assign(_group=first).sort_values("_group", kind="stable").drop(columns="_group").reset_index(drop=True)


def measured(predictions: pd.DataFrame) -> dict[str, float]:
    """A run on its validation images (number, accuracy, mean cross-entropy in nats) and test images (accuracy, F1)."""
    table = predictions[(predictions["perturbation"] == "none") & (predictions["y"] >= 0)]
    validation, test = (table[table["role"] == role] for role in ("validation", "test"))
    y, p = validation["y"].to_numpy(int), _probabilities(validation)
    true = p[np.arange(len(y)), y]
    measures = {"validation_images": float(len(y)), "validation_accuracy": float((p.argmax(1) == y).mean())}
    measures["validation_loss"] = float(-np.log(np.maximum(true, 1e-12)).mean())
    y, p = test["y"].to_numpy(int), _probabilities(test)
    answers = p.argmax(1)
    # As in table scores: the mean over the classes that are there.
    f1 = [2 * ((answers == k) & (y == k)).sum() / ((answers == k).sum() + (y == k).sum()) for k in np.unique(y)]
    return measures | {
        "images": float(len(y)),
        "accuracy": float((answers == y).mean()),
        "macro_f1": float(np.mean(f1)),
    }


def _probabilities(table: pd.DataFrame) -> np.ndarray:
    return np.stack(table["probabilities"].to_list()).astype(np.float64)
