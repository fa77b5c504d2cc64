"""What an exported model is calibrated on."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import log_softmax, softmax

from leukoflow.config.export import Export
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.export.facts import calibrated

CLASSES = ["a", "b"]


def run_of(fold: int) -> Run:
    return Run("fields", "binary", "plain", "five_folds", "network", fold, 42)


def predictions(role: str, groups: int, images: int, right: float, seed: int) -> pd.DataFrame:
    """Images right at that rate, always with a logit difference of 4 (a probability of 0.982)."""
    generator = np.random.default_rng(seed)
    number = groups * images
    y = generator.integers(0, 2, number)
    said = np.where(np.arange(number) % 100 < 100 * right, y, 1 - y)
    logits = 4.0 * np.eye(2)[said]
    names = np.repeat([f"{role}{seed} group {k}" for k in range(groups)], images)
    return pd.DataFrame(
        {
            "cohort": "fields", "image_id": [f"{seed}.{k}" for k in range(number)], "group": names,
            "role": role, "y": y, "perturbation": "none",
            "logits": list(log_softmax(logits, 1)), "probabilities": list(softmax(logits, 1)),
        }
    )  # fmt: skip


def own() -> pd.DataFrame:
    return pd.concat([predictions("validation", 2, 100, 0.99, 1), predictions("test", 10, 20, 0.8, 2)])


def test_validation_images_calibrate_a_protocol_of_one_fold():
    known = calibrated(run_of(0), own(), CLASSES, Export()).facts
    assert (known["calibrated_on"], known["calibration_groups"], known["conformal"].images) == (200, 0, 200)
    # Right 99 % of the time with a difference of 4: the temperature brings it to ln(99).
    assert known["temperature"] == pytest.approx(4 / np.log(99), rel=1e-3)


def test_groups_left_out_calibrate_a_protocol_of_several_folds():
    siblings = {run_of(fold): predictions("test", 10, 20, 0.8, 2 + fold) for fold in (1, 2, 3, 4)}
    known = calibrated(run_of(0), own(), CLASSES, Export(), siblings).facts
    assert (known["calibrated_on"], known["calibration_groups"], known["conformal"].images) == (800, 40, 40)
    assert known["temperature"] == pytest.approx(4 / np.log(4), rel=1e-3)
    # One answer in five is wrong, so a set that promises more must hold both classes.
    assert known["conformal"].threshold == pytest.approx(0.8, abs=1e-3)
    # Its own test images stay out, so that they can be reported.
    worse = pd.concat([predictions("validation", 2, 100, 0.99, 1), predictions("test", 10, 20, 0.1, 9)])
    assert calibrated(run_of(0), worse, CLASSES, Export(), siblings).facts == known


def test_no_images_to_calibrate_on_stop_in_one_line():
    with pytest.raises(LeukoFlowError, match="no validation images among its predictions; predict again"):
        calibrated(run_of(0), predictions("test", 2, 5, 0.8, 1), CLASSES, Export())


def test_another_cohort_calibrates_if_the_config_names_it():
    elsewhere = predictions("external", 25, 8, 0.6, 7).assign(cohort="other")
    asked = Export(calibration_cohort="other")
    known = calibrated(run_of(0), own(), CLASSES, asked, elsewhere=elsewhere)
    assert (known.facts["calibrated_on"], known.facts["calibration_groups"]) == (200, 25)
    assert known.facts["calibration_cohort"] == "other"
    assert known.facts["temperature"] == pytest.approx(4 / np.log(1.5), rel=1e-3)
    (a, b), (c, d) = known.confusion()
    assert a + b + c + d == 200 and b + c == 80
