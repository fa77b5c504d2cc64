"""Table `selection_methods`: rows of the leaderboard by method, if there are several."""

from pathlib import Path

import pandas as pd

from leukoflow.core.files import write_table
from leukoflow.core.inputs import Inputs
from leukoflow.stats.selections import selection_methods_table


def test_rows_are_those_of_the_leaderboard_where_methods_can_be_compared(tmp_path: Path) -> None:
    rows = [
        ("a", "whole"),
        ("b", "whole"),
        ("c", "whole"),
        ("other", "whole"),
        ("a", "plain"),
        ("colour_histogram", "whole"),
    ]
    board = pd.DataFrame(rows, columns=["model", "view"]).assign(cohort="c", task="t", protocol="image")
    board = board.assign(accuracy=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], low=0.0, high=1.0, macro_f1=0.5, macro_auc=0.6)
    write_table(tmp_path / "leaderboard.csv", board)
    chosen = {"a": ("a", "lasso", 32), "b": ("a", "fcq", 32), "c": ("a", "fcq", 16)}
    table = selection_methods_table(Inputs({"leaderboard": [tmp_path / "leaderboard.csv"]}, {"chosen": chosen}))
    assert table[["view", "method", "k", "model", "accuracy"]].values.tolist() == [
        ["whole", "lasso", 32, "a", 0.1], ["whole", "fcq", 16, "c", 0.3], ["whole", "fcq", 32, "b", 0.2],
    ]  # fmt: skip
    assert selection_methods_table(Inputs({"leaderboard": [tmp_path / "leaderboard.csv"]}, {"chosen": {}})).empty
