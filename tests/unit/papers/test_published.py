"""Published numbers in the tables of calibration and discrimination."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.published import papers
from leukoflow.papers.published import assessed

PLACE = {"cohort": "pbc", "task": "cell8", "view": "plain", "protocol": "image", "model": "net"}
ROW = pd.Series(PLACE)


def calibration() -> pd.DataFrame:
    rows = []
    for fold, (calibrator, ece) in enumerate([("none", 0.04), ("none", 0.06), ("temperature", 0.01)]):
        own = PLACE | {"fold": fold, "target": "pbc", "role": "test", "class": "", "calibrator": calibrator}
        rows.append(own | {"ece": ece, "ece_low": ece - 0.01, "ece_high": ece + 0.02, "temperature": 1.5 + fold})
        others: list[dict] = [{"target": "away"}, {"role": "validation"}, {"class": "ig"}, {"model": "other"}]
        rows += [own | changed | dict.fromkeys(("ece", "ece_low", "ece_high", "temperature"), 9) for changed in others]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("inception_ece", (0.05, 0.04, 0.07)),
        ("inception_scaled", (0.01, 0.0, 0.03)),
        ("inception_temperature", (3.5, np.nan, np.nan)),
    ],
)
def test_means_over_runs_of_the_test_role(key: str, found: tuple[float, float, float]) -> None:
    number = papers()["cnn_vit"].number(key)
    np.testing.assert_allclose(assessed(number, ROW, {"calibration": calibration()}), found, atol=1e-12)


def test_areas_of_the_micro_average_and_of_classes() -> None:
    own = PLACE | {"target": "pbc", "role": "test", "auc_low": 0.1, "auc_high": 0.2, "ap_low": 0.3, "ap_high": 0.4}
    rows = [
        own | {"class": "micro average", "auc": 0.15, "ap": 0.35},
        own | {"class": "Benign", "auc": 0.5, "ap": 0.33},
    ]
    tables = {"discrimination": pd.DataFrame(rows)}
    assert assessed(papers()["cnn_vit"].number("inception_auc"), ROW, tables) == (0.15, 0.1, 0.2)
    assert assessed(papers()["hmscam"].number("ap_benign"), ROW, tables) == (0.33, 0.3, 0.4)


def test_without_the_table_there_is_no_number() -> None:
    for key in ("inception_ece", "inception_auc", "inception"):
        assert np.isnan(assessed(papers()["cnn_vit"].number(key), ROW, {})).all()
