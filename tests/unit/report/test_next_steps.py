import pandas as pd
from fake_study import finished_study

from leukoflow.report.findings import Finding
from leukoflow.report.headlines import headlines
from leukoflow.report.summary import asked, next_steps


def test_steps_are_said_once_the_gravest_first(tmp_path_factory):
    fake = finished_study(tmp_path_factory.getbasetemp() / "study")
    findings = [
        Finding("warn", "a", "", "cohorts", "Look."),
        Finding("bad", "b", "", "splits", "Mend."),
        Finding("bad", "c", "", "leakage", "Mend."),
        Finding("good", "d", "", "external"),
    ]
    steps = next_steps(fake.study, [], findings)
    assert [(step.text, step.sections) for step in steps] == [("Mend.", ("splits", "leakage")), ("Look.", ("cohorts",))]
    alone = fake.study.model_dump(mode="json")
    for experiment in alone["experiments"].values():
        experiment["external"] = []
    (step,) = next_steps(type(fake.study).model_validate(alone), [], [])
    assert "another laboratory" in step.text and step.sections == ("external",)


def test_a_network_below_the_colours_on_the_strictest_split_is_named(tmp_path_factory):
    fake = finished_study(tmp_path_factory.getbasetemp() / "study")
    board = pd.read_csv(fake.root / "tables/leaderboard.csv")
    strict = (board["protocol"] == "acquisition") & (board["model"] != "colour_histogram")
    assert not [step for step in next_steps(fake.study, headlines(fake.study, board), []) if "main" in step.text]
    board.loc[strict, ["accuracy", "low"]] = 0.01
    (step,) = next_steps(fake.study, headlines(fake.study, board), [])
    assert "networks of experiment main" in step.text


def test_a_question_names_classes_models_splits_and_other_cohorts(tmp_path_factory):
    fake = finished_study(tmp_path_factory.getbasetemp() / "study")
    content = asked(fake.study, pd.read_csv(fake.root / "tables/leaderboard.csv"))
    (question,) = content.questions
    for said in (
        "2 models and the colour baseline",
        "Benign, Early, Pre and Pro",
        "whole acquisitions held out",
        "away",
    ):
        assert said in question
    assert content.experiments.rows[0].cells[-1].key == len(fake.runs())
