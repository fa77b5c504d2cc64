"""How training went, in numbers: what a minute was worth, how far training and validation parted, how steadily."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run
from leukoflow.stats.leaderboard import CELL

GOAL = 0.95
"""Validation accuracy whose first epoch is looked for."""
OF_RUN = [
    "epochs", "minutes", "validation_accuracy", "accuracy_per_minute", "gap", "gap_kept", "loss_change_sd",
    "accuracy_change_sd", "reached", "epochs_to_goal",
]  # fmt: skip
COLUMNS = [*CELL, "runs", *OF_RUN]


def of_history(history: pd.DataFrame) -> dict[str, float]:
    """`OF_RUN` of one run, from its epochs (one at least).

    Minutes are those of the training passes. The gap is training less validation accuracy: its mean distance from 0
    over all epochs, and as it is in the epoch that is kept. `epochs_to_goal` is counted from 1 and NaN if the goal
    is never reached.
    """
    minutes = float(history["seconds"].sum()) / 60
    kept = history[history["kept"]].iloc[0]
    apart = history["train_accuracy"] - history["validation_accuracy"]
    there = np.flatnonzero(history["validation_accuracy"] >= GOAL)
    changes = history[["validation_loss", "validation_accuracy"]].diff().iloc[1:].std()
    accuracy = float(kept["validation_accuracy"])
    return {
        "epochs": len(history),
        "minutes": minutes,
        "validation_accuracy": accuracy,
        "accuracy_per_minute": accuracy / minutes if minutes > 0 else np.nan,
        "gap": float(apart.abs().mean()),
        "gap_kept": float(kept["train_accuracy"] - kept["validation_accuracy"]),
        "loss_change_sd": float(changes["validation_loss"]),
        "accuracy_change_sd": float(changes["validation_accuracy"]),
        "reached": float(len(there) > 0),
        "epochs_to_goal": float(there[0] + 1) if len(there) else np.nan,
    }


def dynamics(histories: Mapping[Run, pd.DataFrame]) -> pd.DataFrame:
    """`COLUMNS`: means over folds and seeds of each model; of `epochs_to_goal` over the runs that reached it.

    Models that are fitted at once have no row.
    """
    rows = [
        {**{name: getattr(run, name) for name in CELL}, **of_history(history)}
        for run, history in histories.items()
        if len(history)
    ]
    table = pd.DataFrame(rows, columns=[*CELL, *OF_RUN])
    grouped = table.groupby(CELL, sort=False)
    means = grouped[OF_RUN].mean().reset_index()
    return means.assign(runs=grouped.size().to_numpy())[COLUMNS]


def dynamics_table(inputs: Inputs) -> pd.DataFrame:
    """The same from `histories` of all runs."""
    return dynamics({run: read_table(path) for run, path in inputs.by_run("histories").items()})
