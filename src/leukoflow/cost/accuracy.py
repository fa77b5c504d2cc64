"""What a model's accuracy costs: leaderboard and efficiency in one table."""

import pandas as pd

from leukoflow.core.inputs import Inputs
from leukoflow.stats.leaderboard import CELL

ACCURACY = ("weights", "runs", "accuracy", "low", "high", "macro_f1", "macro_auc", "mcc")
COSTS = (
    "parameters", "bytes", "macs", "latency_p50_ms", "images_per_second", "peak_memory_mb", "gpu_latency_p50_ms",
    "energy_uj", "epochs", "seconds",
)  # fmt: skip
COLUMNS = [*CELL, *ACCURACY, *COSTS]


def accuracy_and_cost(leaderboard: pd.DataFrame, efficiency: pd.DataFrame) -> pd.DataFrame:
    """`COLUMNS`: a row for each row of the leaderboard, in its order; costs that were not measured are empty."""
    return leaderboard[[*CELL, *ACCURACY]].merge(efficiency[[*CELL, *COSTS]], on=CELL, how="left")[COLUMNS]


def accuracy_and_cost_table(inputs: Inputs) -> pd.DataFrame:
    """Table `accuracy_and_cost`, from `leaderboard` and `efficiency`."""
    return accuracy_and_cost(inputs.table("leaderboard"), inputs.table("efficiency"))
