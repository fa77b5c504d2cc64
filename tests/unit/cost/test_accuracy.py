import numpy as np
import pandas as pd

from leukoflow.cost.accuracy import ACCURACY, COLUMNS, COSTS, accuracy_and_cost
from leukoflow.stats.leaderboard import CELL


def test_costs_stand_next_to_the_accuracy_of_the_same_model_and_split() -> None:
    places = [("home", "kind", "plain", protocol, model) for protocol in ("image", "patient") for model in ("a", "b")]
    board = pd.DataFrame(places, columns=CELL).assign(**dict.fromkeys(ACCURACY, 0.0))
    board["accuracy"] = [0.9, 0.8, 0.7, 0.6]
    costs = pd.DataFrame(places[::-1][:3], columns=CELL).assign(**dict.fromkeys(COSTS, 0.0))
    costs["seconds"] = [4.0, 3.0, 2.0]
    table = accuracy_and_cost(board, costs)
    assert list(table.columns) == COLUMNS and table["accuracy"].tolist() == [0.9, 0.8, 0.7, 0.6]
    assert np.isnan(table["seconds"].iloc[0]) and table["seconds"].tolist()[1:] == [2.0, 3.0, 4.0]
