import pandas as pd
import pytest

from leukoflow.config.load import parse_study
from leukoflow.config.study import Study
from leukoflow.report import words
from leukoflow.report.headlines import baselines_alone, best_of, headlines, verdict_of


def row(model: str, accuracy: float, low: float = 0.8, high: float = 1.0) -> pd.Series:
    return pd.Series({"model": model, "accuracy": accuracy, "low": low, "high": high})


@pytest.mark.parametrize(
    ("best", "baseline", "tone", "said"),
    [
        (row("net", 0.95, low=0.92), row("colour_histogram", 0.9), "good", "whole interval lies over"),
        (row("net", 0.95, low=0.88), row("colour_histogram", 0.9), "warn", "may be chance"),
        (row("net", 0.90, low=0.85), row("colour_histogram", 0.9), "bad", "Not above"),
        (row("net", 0.95, low=float("nan")), row("colour_histogram", 0.9), "warn", "may be chance"),
        (row("net", 0.95), None, "warn", "No colour baseline"),
        (None, row("colour_histogram", 0.9), "warn", "Only the colour baseline"),
    ],
)
def test_verdict_compares_the_interval_with_the_baseline(best, baseline, tone, said):
    text, found = verdict_of(best, baseline)
    assert found == tone and said in text


def test_the_baseline_is_never_the_best_network():
    table = pd.DataFrame([row("colour_histogram", 0.99), row("net", 0.7), row("other", 0.8)])
    best, baseline = best_of(table)
    assert best["model"] == "other" and baseline["model"] == "colour_histogram"


def test_words():
    assert words.percent(0.98415) == "98.4\N{NO-BREAK SPACE}%" and words.percent(float("nan")) == words.NONE
    assert words.interval(0.5, 1) == "50.0\N{EN DASH}100.0\N{NO-BREAK SPACE}%" and words.interval(float("nan"), 1) == ""
    assert words.listed(["a", "b", "c"]) == "a, b and c" and words.plural(1, "image") == "1 image"
    assert [words.duration(each) for each in (2.04, 61.4, 185, 7800)] == ["2.0 s", "61 s", "3 min 5 s", "2 h 10 min"]


@pytest.fixture
def shortcuts() -> tuple[Study, pd.DataFrame]:
    entry = {"cohort": "home", "task": "kind", "views": ["plain", "grey"], "protocols": ["image", "patient"]}
    study = parse_study(
        {
            "study": "s",
            "cohorts": {"home": {"kind": "synthetic", "images": 10}},
            "tasks": {"kind": {"classes": ["a", "b"]}},
            "views": {"plain": {"kind": "plain"}, "grey": {"kind": "grey"}},
            "models": {name: {"architecture": "neurallnet"} for name in ("colour_histogram", "net")},
            "experiments": {"alone": {**entry, "models": ["colour_histogram"]}, "both": {**entry, "models": ["net"]}},
        }
    )
    facts = {"cohort": "home", "task": "kind", "low": 0.6, "high": 0.9, "images": 50, "groups": 10, "runs": 1}
    rows = [
        facts | {"view": view, "protocol": protocol, "model": model, "accuracy": 0.8, "weights": ""}
        for view in ("plain", "grey")
        for protocol in ("image", "patient")
        for model in ("colour_histogram", "net")
    ]
    return study, pd.DataFrame(rows)


def test_experiments_of_the_baseline_alone_are_lines_and_no_cards(shortcuts):
    assert {each.experiment for each in headlines(*shortcuts)} == {"both"}
    alone = baselines_alone(*shortcuts)
    assert [(each.experiment, each.protocol) for each in alone] == [("alone", "patient"), ("alone", "image")]
    assert alone[0].views[1] == ("grey", "80.0\N{NO-BREAK SPACE}%", "60.0\N{EN DASH}90.0\N{NO-BREAK SPACE}%")
