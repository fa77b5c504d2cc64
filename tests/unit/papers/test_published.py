"""Published numbers in the tables of calibration and discrimination."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.published import papers
from leukoflow.papers.published import _measured, assessed

PLACE = {"cohort": "pbc", "task": "cell8", "view": "plain", "protocol": "image", "model": "net"}
ROW = pd.Series(PLACE)


def calibration() -> pd.DataFrame:
    rows = []
    for fold, (calibrator, ece) in enumerate([("none", 0.04), ("none", 0.06), ("temperature", 0.01)]):
        common = PLACE | {"fold": fold, "target": "pbc", "role": "test", "class": "", "calibrator": calibrator}
        rows.append(common | {"ece": ece, "ece_low": ece - 0.01, "ece_high": ece + 0.02, "temperature": 1.5 + fold})
        others: list[dict] = [{"target": "away"}, {"role": "validation"}, {"class": "ig"}, {"model": "other"}]
        rows += [
            common | changed | dict.fromkeys(("ece", "ece_low", "ece_high", "temperature"), 9) for changed in others
        ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("inception_ece", (0.05, 0.04, 0.07)),
        ("inception_scaled", (0.01, 0.0, 0.03)),
        ("inception_temperature", (3.5, np.nan, np.nan)),
    ],
)
def test_means_over_runs_of_the_test_role(key: str, expected: tuple[float, float, float]) -> None:
    number = papers()["cnn_vit"].number(key)
    np.testing.assert_allclose(assessed(number, ROW, {"calibration": calibration()}), expected, atol=1e-12)


def test_areas_of_the_micro_average_and_of_classes() -> None:
    common = PLACE | {"target": "pbc", "role": "test", "auc_low": 0.1, "auc_high": 0.2, "ap_low": 0.3, "ap_high": 0.4}
    rows = [
        common | {"class": "micro average", "auc": 0.15, "ap": 0.35},
        common | {"class": "Benign", "auc": 0.5, "ap": 0.33},
    ]
    tables = {"discrimination": pd.DataFrame(rows)}
    assert assessed(papers()["cnn_vit"].number("inception_auc"), ROW, tables) == (0.15, 0.1, 0.2)
    assert assessed(papers()["hmscam"].number("ap_benign"), ROW, tables) == (0.33, 0.3, 0.4)


def test_without_the_table_there_is_no_number() -> None:
    for key in ("inception_ece", "inception_auc", "inception"):
        assert np.isnan(assessed(papers()["cnn_vit"].number(key), ROW, {})).all()


def test_errors_have_no_class_and_class_temperatures_have_a_calibrator() -> None:
    common = PLACE | {"target": "pbc", "role": "test"}
    tables = {
        "errors": pd.DataFrame([common | {"nmi": 0.9, "nmi_low": 0.8, "nmi_high": 0.95, "top3": 0.5}]),
        "calibration": pd.DataFrame(
            [
                common | {"calibrator": "class temperature", "class": "monocyte", "temperature": 1.9},
                common | {"calibrator": "class temperature", "class": "ig", "temperature": 1.2},
                common | {"calibrator": "temperature", "class": "monocyte", "temperature": 1.4},
            ]
        ),
        "discrimination": pd.DataFrame(
            [common | {"class": name, "separation": value} for name, value in (("macro average", 0.7), ("ig", 0.4))]
        ),
    }
    paper = papers()["cnn_vit"]
    assert assessed(paper.number("inception_nmi"), ROW, tables) == (0.9, 0.8, 0.95)
    assert assessed(paper.number("resnet_top3"), ROW, tables)[0] == 0.5
    assert assessed(paper.number("resnet_class_temperature_monocyte"), ROW, tables)[0] == 1.9
    assert assessed(paper.number("inception_separation"), ROW, tables)[0] == 0.7


def test_changed_images_and_shares_have_tables_of_their_own() -> None:
    common = PLACE | {"cohort": "taleqani", "task": "subtype"}
    robustness = pd.DataFrame(
        [
            common | {"perturbation": kind, "level": level, "metric": metric, "value": value, "low": 0.1, "high": 0.9}
            for kind, level, metric, value in (
                ("brightness", 0.25, "accuracy", 0.7), ("brightness", -0.25, "accuracy", 0.3),
                ("brightness", 0.25, "macro_f1", 0.6), ("contrast", 0.25, "accuracy", 0.5),
            )
        ]
    )  # fmt: skip
    shares = pd.DataFrame(
        [
            common | {"share": share, "metric": "f1", "class": name, "value": value, "low": 0.2, "high": 0.8}
            for share, name, value in ((0.25, "Pre", 0.4), (0.25, "", 0.45), (1.0, "Pre", 0.9))
        ]
    )
    tables, row = {"robustness": robustness, "sample_size": shares}, pd.Series(common)
    neurallnet, hmscam = papers()["neurallnet"], papers()["hmscam"]
    assert _measured(neurallnet.number("brighter"), row, tables, False) == (0.7, 0.1, 0.9)
    assert _measured(neurallnet.number("darker"), row, tables, False)[0] == 0.3
    assert _measured(hmscam.number("accuracy_f1_pre_25"), row, tables, False) == (0.4, 0.2, 0.8)
    assert _measured(hmscam.number("accuracy_binary_macro_f1_25"), row, tables, False)[0] == 0.45
    for key in ("brighter", "rotated"):
        assert np.isnan(_measured(neurallnet.number(key), row, {}, False)).all()
