from typing import get_args

import numpy as np
import pandas as pd
import pytest
from fake_study import finished_study

from leukoflow.config.splits import Groups
from leukoflow.core.runs import MEAN
from leukoflow.export import findings as export_findings
from leukoflow.figures import style
from leukoflow.report import headlines
from leukoflow.report.findings import Finding, findings, gravest_first

NAMES = ("leaderboard", "external", "cohorts", "label_conflicts", "audit", "laboratories")


@pytest.fixture
def told(tmp_path_factory):
    fake = finished_study(tmp_path_factory.getbasetemp() / "study")

    def tell(**changed: pd.DataFrame) -> dict[str, Finding]:
        tables = {name: pd.read_csv(fake.root / "tables" / f"{name}.csv") for name in NAMES} | changed
        tables["cohorts"]["label"] = tables["cohorts"]["label"].fillna("")
        return {finding.title: finding for finding in gravest_first(findings(fake.study, tables))}

    tell.root = fake.root
    return tell


def table(told, name: str) -> pd.DataFrame:
    return pd.read_csv(told.root / "tables" / f"{name}.csv")


def test_leakage_is_told_from_the_audits_counts(told):
    audit = table(told, "audit")
    leak = audit[audit["protocol"] == "image"].iloc[0]
    by_title = told()
    text = by_title["Leakage: demo, subtype, image split"]
    assert text.tone == "bad"
    assert f"{leak['test_with_duplicate']:.0f} (" in text.text
    assert f"Of {leak['test']} test images" in text.text
    assert by_title["No leakage found: demo, subtype, acquisition split"].tone == "good"


def test_problems_come_before_notes_and_notes_before_what_is_in_order(told):
    tones = [finding.tone for finding in told().values()]
    assert tones == sorted(tones, key=["bad", "warn", "good"].index)
    assert set(tones) == {"bad", "warn", "good"}


def test_an_external_cohort_that_is_all_overlap_checks_nothing(told):
    external = table(told, "external")
    gone = told(external=external.assign(unseen_images=0, removed=16))["away overlaps with demo (main)"]
    assert "16 of its 16 images" in gone.text
    assert "checks nothing" in gone.text
    apart = told(external=external.assign(removed=0))["away is apart from demo (main)"]
    assert apart.tone == "good"


def test_both_external_numbers_are_told(told):
    external = table(told, "external")
    rows = external[(external["protocol"] == "acquisition") & (external["model"] != "colour_histogram")]
    best = rows.sort_values(["accuracy", "model"], ascending=[False, True]).iloc[0]
    text = told()["away overlaps with demo (main)"].text
    for share in (best["accuracy"], best["unseen_accuracy"]):
        assert f"{100 * share:.1f}\N{NO-BREAK SPACE}%" in text


def test_bars_in_one_class_only_are_a_warning_and_even_ones_are_not(told):
    cohorts = table(told, "cohorts")
    text = told()["Scale bars in demo"]
    assert text.tone == "warn"
    assert "50\N{NO-BREAK SPACE}% of Early" in text.text
    even = cohorts.copy()
    even.loc[even["fact"].str.endswith("scale bars") & (even["cohort"] == "demo"), "measured"] = 15
    assert told(cohorts=even)["Scale bars in demo"].tone == "good"


def test_an_experiment_without_external_runs_says_nothing_of_it(told):
    assert not any("overlaps" in title for title in told(external=table(told, "external")[:0]))


def with_facts(cohorts: pd.DataFrame, *facts: tuple[str, str, int]) -> pd.DataFrame:
    rows = [{"cohort": "demo", "fact": fact, "label": label, "measured": measured} for fact, label, measured in facts]
    return pd.concat([cohorts, pd.DataFrame(rows)], ignore_index=True)


def test_files_that_fill_twelve_of_sixteen_bits_stand_first(told):
    cohorts = table(told, "cohorts")
    assert not any("bits" in title or "exposure" in title for title in told())
    by_title = told(cohorts=with_facts(cohorts, ("bits filled of 16", "", 12)))
    assert next(iter(by_title)) == "demo fills 12 of 16 bits"
    first = by_title["demo fills 12 of 16 bits"]
    assert first.tone == "bad"
    assert "stay below 4,096" in first.text and "cohorts.demo.bits: 12" in first.text


def test_implausible_exposure_is_as_grave_as_it_is_frequent(told):
    cohorts = table(told, "cohorts")
    images = int(cohorts.loc[(cohorts["cohort"] == "demo") & (cohorts["fact"] == "images"), "measured"].iloc[0])
    title = "Implausible exposure in demo"
    few = told(cohorts=with_facts(cohorts, ("implausible exposure", "nearly black", images // 10)))
    assert few[title].tone == "warn"
    many = told(cohorts=with_facts(cohorts, ("implausible exposure", "nearly white", images)))
    assert next(iter(many)) == title and many[title].tone == "bad"
    assert f"{images} nearly white" in many[title].text


def test_what_the_listing_warned_of_is_told_with_its_words(told):
    text = told()["Check the config of demo"]
    assert text.tone == "warn" and "Check the config of away" not in told()
    assert "Exclude: no file matches '*_msk.png'; did you mean '*_mask.png'?" in text.text
    assert "Labels: no folder is 'Pr'." in text.text


def test_a_cohort_that_was_left_out_and_a_smaller_one_are_told(told):
    fake = finished_study(told.root)
    folder = fake.study.cohorts["away"].model_copy(update={"root": "${SMEARS}/masks", "left_out": True})
    study = fake.study.model_copy(update={"cohorts": {**fake.study.cohorts, "masks": folder}})
    tables = {name: table(told, name) for name in NAMES}
    tables["cohorts"]["label"] = tables["cohorts"]["label"].fillna("")
    by_title = {finding.title: finding for finding in findings(study, tables)}
    assert (
        by_title["Cohort masks was left out"].tone == "warn"
        and "${SMEARS}/masks" in by_title["Cohort masks was left out"].text
    )
    assert "Cohort away was left out" not in by_title
    assert "120 images here; the source publishes 132" in by_title["demo is not as published"].text


def test_the_caution_of_a_cohort_is_a_problem(told):
    fake = finished_study(told.root)
    home = fake.study.cohorts["demo"].model_copy(update={"caution": "The frame tells the class."})
    study = fake.study.model_copy(update={"cohorts": {**fake.study.cohorts, "demo": home, "unused": home}})
    tables = {name: table(told, name) for name in NAMES}
    tables["cohorts"]["label"] = tables["cohorts"]["label"].fillna("")
    by_title = {finding.title: finding for finding in findings(study, tables)}
    assert (by_title["Caution: demo"].tone, by_title["Caution: demo"].text) == ("bad", "The frame tells the class.")
    assert "Caution: unused" not in by_title and "Caution: away" not in by_title


def test_copies_with_different_labels_are_the_first_problem_with_the_files_names(told):
    columns = ["cohort_a", "image_a", "label_a", "cohort_b", "image_b", "label_b", "kind", "change", "correlation"]
    rows = [("demo", f"a{k}.jpg", "Pro", "demo", f"b{k}.jpg", "Pre", "identical", "", 1.0) for k in range(7)]
    rows += [("away", "x.jpg", "Early", "demo", "y.jpg", "Benign", "turned", "mirrored left to right", 0.99)]
    by_title = told(label_conflicts=pd.DataFrame(rows, columns=columns))
    assert list(by_title)[:2] == [
        "Copies with different labels within demo",
        "Copies with different labels in away and demo",
    ]
    within, across = list(by_title.values())[:2]
    assert within.tone == across.tone == "bad"
    assert within.text.startswith(
        "One picture has two labels in 7 byte-identical pairs: a0.jpg (Pro) and b0.jpg (Pre); "
    )
    assert "a4.jpg" in within.text and "a5.jpg" not in within.text and "; and 2 more" in within.text
    assert "1 mirrored or quarter-turned pair: x.jpg (Early) and y.jpg (Benign). " in across.text
    assert not [title for title in told() if title.startswith("Copies with")]


def test_what_is_lost_on_laboratories_left_out_is_told(told):
    rows = [("far", 60, 0.62, 0.5, 0.7), ("near", 80, 0.9, 0.85, 0.95), (MEAN, 140, 0.76, np.nan, np.nan)]
    shared = {"cohort": "c", "task": "t", "view": "v", "protocol": "laboratory", "home_accuracy": 0.97}
    parts = [
        shared
        | {"model": model, "laboratory": name, "images": images, "accuracy": value - less, "low": low, "high": high}
        for model, less in (("colour_histogram", -0.1), ("good", 0.0), ("poor", 0.2))
        for name, images, value, low, high in rows
    ]
    finding = told(laboratories=pd.DataFrame(parts))["Laboratories left out: c, t, v view"]
    text = finding.text.replace("\N{NO-BREAK SPACE}", " ")
    assert finding.tone == "warn" and text.startswith("good is right on 97.0 %") and "on 76.0 % (mean of 2)" in text
    assert "worst far, 62.0 % (50.0" in text
    kept = pd.DataFrame(parts).assign(home_accuracy=0.78)
    assert told(laboratories=kept)["Laboratories left out: c, t, v view"].tone == "good"


def test_every_kind_of_division_has_its_words_and_marks():
    kinds = set(get_args(Groups))
    assert set(headlines._HELD_OUT) == kinds == set(export_findings.HELD_OUT) == set(style._PROTOCOLS)
