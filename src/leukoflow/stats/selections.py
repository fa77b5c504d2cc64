"""Accuracy by the method that chose the features, and by their number."""

import pandas as pd

from leukoflow.core.inputs import Inputs

COLUMNS = [
    "cohort", "task", "view", "protocol", "family", "method", "k", "model",
    "accuracy", "low", "high", "macro_f1", "macro_auc",
]  # fmt: skip


def selection_methods_table(inputs: Inputs) -> pd.DataFrame:
    """Table `selection_methods`, from the `leaderboard`; setting `chosen` has family, method and number by model."""
    chosen = inputs.settings["chosen"]
    board = inputs.table("leaderboard")
    board = board[board["model"].isin(chosen)]
    named = {
        name: [chosen[model][index] for model in board["model"]] for index, name in enumerate(("family", "method", "k"))
    }
    table = board.assign(**named)[COLUMNS]
    order = ["cohort", "task", "view", "protocol", "family"]
    # Where a model was trained on features of one method alone, there is nothing to compare.
    table = table[table.groupby(order)["method"].transform("nunique") > 1]
    methods = list(dict.fromkeys(method for _, method, _ in chosen.values()))
    position = table["method"].map(methods.index) if len(table) else table["k"]
    return table.assign(_method=position).sort_values([*order, "_method", "k"], kind="stable", ignore_index=True)[
        COLUMNS
    ]
