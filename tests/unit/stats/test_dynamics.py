"""Dynamics of training by hand."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.core.runs import Run
from leukoflow.stats.dynamics import COLUMNS, dynamics, of_history


def history(accuracies: list[float], losses: list[float], kept: int, seconds: float = 30.0) -> pd.DataFrame:
    table = pd.DataFrame({"validation_accuracy": accuracies, "validation_loss": losses, "seconds": seconds})
    return table.assign(train_accuracy=table["validation_accuracy"] + [0.1, -0.1, 0.2, 0.0], kept=table.index == kept)


def test_figures_of_one_run_by_hand() -> None:
    figures = of_history(history([0.5, 0.9, 0.96, 0.95], [1.0, 0.6, 0.4, 0.5], 2))
    assert (figures["epochs"], figures["minutes"], figures["validation_accuracy"]) == (4, 2.0, 0.96)
    assert figures["accuracy_per_minute"] == pytest.approx(0.48)
    assert figures["gap"] == pytest.approx(0.1) and figures["gap_kept"] == pytest.approx(0.2)
    assert figures["loss_change_sd"] == pytest.approx(np.std([-0.4, -0.2, 0.1], ddof=1))
    assert figures["accuracy_change_sd"] == pytest.approx(np.std([0.4, 0.06, -0.01], ddof=1))
    assert (figures["reached"], figures["epochs_to_goal"]) == (1, 3)


def test_the_published_figure_is_accuracy_over_minutes() -> None:
    """The paper's 0.0459 a minute of CustomCNN: 96.61 % in 1,261.59 s."""
    table = pd.DataFrame(
        {"validation_accuracy": [0.9661], "validation_loss": 0.1, "seconds": 1261.59, "train_accuracy": 1, "kept": True}
    )
    figures = of_history(table)
    assert round(figures["accuracy_per_minute"], 4) == 0.0459 and np.isnan(figures["loss_change_sd"])


def test_means_over_runs_and_no_row_without_epochs() -> None:
    runs = [Run("home", "kind", "plain", "image", "net", fold, 1) for fold in range(2)]
    forest = Run("home", "kind", "plain", "image", "colour_histogram", 0, 1)
    first = history([0.5, 0.9, 0.96, 0.95], [1.0, 0.6, 0.4, 0.5], 2)
    second = history([0.5, 0.6, 0.7, 0.8], [1.0, 0.9, 0.8, 0.7], 3)
    table = dynamics({runs[0]: first, runs[1]: second, forest: first.iloc[:0]})
    assert list(table.columns) == COLUMNS and len(table) == 1
    row = table.iloc[0]
    assert (row["model"], row["runs"], row["reached"], row["epochs_to_goal"]) == ("net", 2, 0.5, 3)
    assert row["validation_accuracy"] == pytest.approx(0.88)
    assert len(dynamics({forest: first.iloc[:0]})) == 0
