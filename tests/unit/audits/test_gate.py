"""The gate accepts the wanted share of what it was derived from, and notices what lies outside."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.audits.gate import COLUMNS, MEASURES, accuracy_rows, gate_rows, limits_of, outside
from leukoflow.config.evaluation import Evaluation


def quality(count: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    table = pd.DataFrame({name: random.normal(size=count) for name in MEASURES})
    return table.assign(focus=random.gamma(5, 0.003, count), dark_fraction=0.0)


@pytest.mark.parametrize("accepted", [0.9, 0.95, 0.99])
def test_the_wanted_share_of_the_training_images_is_within_all_limits_at_once(accepted: float) -> None:
    table = quality(2000, 0)
    inside = ~outside(table, limits_of(table, accepted)).any(1)
    assert accepted <= inside.mean() < accepted + 0.01
    other = quality(20_000, 1)
    assert abs((~outside(other, limits_of(table, accepted)).any(1)).mean() - accepted) < 0.02


def test_every_measure_is_cut_at_the_same_tail_and_a_constant_one_at_its_value() -> None:
    table = quality(2000, 2)
    limits = limits_of(table, 0.9)
    assert limits["dark_fraction"] == (0, 0)
    tails = [share for name in ("focus", "exposure") for share in _tails(table[name].to_numpy(), *limits[name])]
    assert max(tails) - min(tails) <= 1 / 2000 and min(tails) > 0
    assert outside(table.assign(dark_fraction=1e-6), limits)[:, list(MEASURES).index("dark_fraction")].all()


def _tails(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    return float((values < low).mean()), float((values > high).mean())


def test_missing_values_are_outside() -> None:
    table = quality(200, 3)
    assert outside(table.assign(focus=np.nan), limits_of(table, 0.99))[:, 0].all()


def test_rows_say_what_is_refused_and_by_which_measure() -> None:
    table = quality(500, 4)
    limits = limits_of(table, 0.99)
    facts = {"cohort": "home", "task": "kind", "protocol": "image", "fold": 0, "role": "damaged", "kind": "blur"}
    blurred = table.assign(focus=table["focus"] / 50)
    rows = pd.DataFrame(gate_rows(blurred, np.arange(500), limits, facts, Evaluation(resamples=100)), columns=COLUMNS)
    rows = rows.set_index("measure")
    assert rows.loc["", "refused"] == 1 and rows.loc["focus", "refused"] == 1 and rows.loc["exposure", "refused"] < 0.02
    assert rows.loc["", "low"] > 0.98 and np.isnan(rows.loc["", "median"])
    assert rows.loc["focus", "median"] < rows.loc["focus", "limit_low"]


def test_accuracy_of_accepted_and_refused_images_is_apart() -> None:
    right, refused = np.arange(100) < 90, np.arange(100) >= 80
    row = accuracy_rows(right, refused, np.arange(100), Evaluation(resamples=200))
    assert (row["accepted_images"], row["accepted_accuracy"]) == (80, 1.0)
    assert (row["refused_images"], row["refused_accuracy"]) == (20, 0.5)
    assert 0.9 < row["accepted_low"] < 1 and row["refused_low"] < 0.5 < row["refused_high"]
