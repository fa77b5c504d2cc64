import pandas as pd
import pytest

from leukoflow.config.load import parse_study
from leukoflow.config.study import Study
from leukoflow.core import words
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
    text, computed = verdict_of(best, baseline)
    assert computed == tone and said in text


def test_the_baseline_is_never_the_best_network():
    table = pd.DataFrame([row("colour_histogram", 0.99), row("net", 0.7), row("other", 0.8)])
    best, baseline = best_of(table)
    assert best["model"] == "other" and baseline["model"] == "colour_histogram"


def test_words():
    assert words.percent(0.98415) == "98.4\N{NO-BREAK SPACE}%" and words.percent(float("nan")) == words.NONE
    assert words.interval(0.5, 1) == "50.0\N{EN DASH}100.0\N{NO-BREAK SPACE}%" and words.interval(float("nan"), 1) == ""
    assert words.listed(["a", "b", "c"]) == "a, b and c" and words.plural(1, "image") == "1 image"
    shown = [words.duration(seconds) for seconds in (2.04, 61.4, 99.6, 185, 7800)]
    assert shown == ["2.04\xa0s", "61.4\xa0s", "1 min 40 s", "3 min 5 s", "2 h 10 min"]


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
    assert {headline.experiment for headline in headlines(*shortcuts)} == {"both"}
    alone = baselines_alone(*shortcuts)
    assert [(entry.experiment, entry.protocol) for entry in alone] == [("alone", "patient"), ("alone", "image")]
    assert alone[0].views[1] == ("grey", "80.0\N{NO-BREAK SPACE}%", "60.0\N{EN DASH}90.0\N{NO-BREAK SPACE}%")


def test_times_and_sizes_have_units_that_fit():
    times = {0.04: "40.0 ms", 0.9996: "1.00 s", 0.0000123: "12.3 µs", 3e-9: "3.00 ns", 0: "0 ns", 0.5: "500 ms"}
    assert {value: words.duration(value) for value in times} == _fixed(times)
    sizes = {512: "512 B", 1_350_000: "1.35 MB", 999_900: "1.00 MB", 2.1e9: "2.10 GB", 40_000: "40.0 kB"}
    assert {value: words.size(value) for value in sizes} == _fixed(sizes)
    joules = {310e-6: "310 µJ", 4.2e-3: "4.20 mJ", 2.5: "2.50 J"}
    assert {value: words.energy(value) for value in joules} == _fixed(joules)
    operations = {4.1e9: "4.10 billion", 336_544: "336,544", 1_200_000: "1.20 million"}
    assert {value: words.operations(value) for value in operations} == _fixed(operations)
    assert words.duration(float("nan")) == words.NONE and words.size(float("nan")) == words.NONE


def _fixed(texts):
    """Texts with the no-break space and the Greek letter that the report writes."""
    return {
        value: text.replace(" ", "\N{NO-BREAK SPACE}").replace("\N{MICRO SIGN}", "\N{GREEK SMALL LETTER MU}")
        for value, text in texts.items()
    }
