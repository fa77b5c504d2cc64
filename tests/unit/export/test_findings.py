"""What a card says of other cohorts, from rows as step score writes them."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from leukoflow.core.runs import parse_run
from leukoflow.export.facts import results
from leukoflow.export.findings import findings
from leukoflow.runtime.schema import Confidence

RUN = parse_run("home.subtype.plain.image.neurallnet.fold0.seed42")


def rows(target: str, role: str, subset: str, images: int, low: float, wilson: float) -> list[dict]:
    """An accuracy of 1 and its three intervals."""
    limits = {"images": (low, 1.0), "groups": (low, 1.0), "wilson": (wilson, 1.0)}
    facts = {"target": target, "role": role, "subset": subset, "n": images, "groups": images, "class": None}
    return [
        {**RUN.columns(), **facts, "metric": "accuracy", "value": 1.0, "low": a, "high": b, "resampling": kind}
        for kind, (a, b) in limits.items()
    ]


@pytest.fixture
def scores() -> pd.DataFrame:
    made = rows("home", "test", "all", 40, 0.9, 0.91) + rows("away", "external", "all", 6, 1.0, 0.61)
    return pd.DataFrame(made + rows("away", "external", "without overlap", 1, math.nan, 0.21))


def test_an_interval_that_cannot_vary_gives_way_to_wilsons(scores: pd.DataFrame) -> None:
    home, away = results(RUN, scores)
    assert (home.low, home.high) == (0.9, 1.0)  # over groups
    assert (away.low, away.high) == (0.61, 1.0)
    alone = scores[scores["resampling"] != "wilson"]
    assert [result.low for result in results(RUN, alone)] == [0.9, None]


def test_copies_in_another_cohort_are_told(scores: pd.DataFrame) -> None:
    empty = pd.DataFrame({name: [] for name in RUN.columns()})
    tables = {"scores": scores, "shortcut_audit": empty, "audit": empty}
    confidence = Confidence(threshold=0.5, accuracy=0.95)
    said = " ".join(findings(RUN, tables, results(RUN, scores), confidence))
    assert "(away, 6 images) it is right on 100.0 % (61.0 to 100.0). 5 of them copy training images" in said
    assert "on the 1 without: 100.0 % (21.0 to 100.0)" in said
    without = scores[scores["subset"] == "all"]
    said = " ".join(findings(RUN, {**tables, "scores": without}, results(RUN, without), confidence))
    assert "copy" not in said


def test_leaks_made_on_purpose_are_told_before_all_else(scores: pd.DataFrame) -> None:
    leaky = replace(RUN, protocol="leaky_hmscam")
    empty = pd.DataFrame({name: [] for name in RUN.columns()})
    tables = {"scores": scores.assign(protocol="leaky_hmscam"), "shortcut_audit": empty, "audit": empty}
    confidence = Confidence(threshold=0.5, accuracy=0.95)
    first, *rest = findings(leaky, tables, results(leaky, tables["scores"]), confidence)
    assert first == "Its split, leaky_hmscam, has leaks made on purpose: it is worse than its figures say."
    assert any(sentence.startswith("Training and test images were divided at random") for sentence in rest)
