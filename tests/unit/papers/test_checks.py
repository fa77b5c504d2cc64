"""Every check of the papers comes to what the worked numbers say."""

from dataclasses import asdict
from typing import get_args

import pytest

from leukoflow.config import published_checks as checks
from leukoflow.config.published import papers
from leukoflow.papers.checks import COLUMNS, VERDICTS, Outcome, check_table, outcome


@pytest.fixture(scope="module")
def table():
    return check_table(papers()).replace("\N{NO-BREAK SPACE}", " ", regex=True)


@pytest.mark.parametrize(
    ("paper", "said", "verdict", "computed"),
    [
        ("vgg19_mhsa", "accuracy of ResNet101", "impossible", "98.50 % or 98.75 %"),
        ("vgg19_mhsa", "accuracy of VGG19", "possible", "397 / 400"),
        ("vgg19_mhsa", "comparator within", "odd", "97.8 % to 99.7 %"),
        ("hybridcn_nas", "accuracy on 652", "impossible", "99.85 % or 100.00 %"),
        ("hybridcn_nas", "one-versus-rest", "odd", "651 / 652"),
        ("hybridcn_nas", "MCC of the README", "contradiction", "accuracy 96.4 %"),
        ("hybridcn_nas", "MCC, four classes", "contradiction", "difference 0.0473"),
        ("hybridcn_nas", "AUC against", "odd", "at least 0.9970"),
        ("hmscam", "against the confusion matrix, benign", "contradiction", "98.04 %"),
        ("hmscam", "against the confusion matrix, four", "contradiction", "94.99 %"),
        ("hmscam", "share of benign images right, benign or", "contradiction", "99.11 %"),
        ("hmscam", "share of malignant images right", "possible", "97.82 %"),
        ("hmscam", "share of benign images called malignant", "contradiction", "0.89 %"),
        ("hmscam", "share of malignant images called benign", "possible", "2.18 %"),
        ("hmscam", "accuracy, benign or malignant (Figure 6", "contradiction", "difference 0.01"),
        ("hmscam", "images of the dataset", "contradiction", "difference 306"),
        ("cnn_vit", "layers of ResNet50", "contradiction", "difference 20"),
        ("hmscam", "share of Early images", "contradiction", "95.57 %"),
        ("hmscam", "share of Pre images", "contradiction", "94.58 %"),
        ("hmscam", "images of the confusion matrix, benign", "contradiction", "651.2 images"),
        ("hmscam", "macro F1 against", "contradiction", "0.8975"),
        ("hmscam", "analysis of variance", "contradiction", "p = 0.0146"),
        ("hmscam", "interval of accuracy", "contradiction", "0.0149"),
        ("hmscam", "parameters of the whole", "impossible", "more than 23,508,032"),
        ("hmscam", "Frobenius", "impossible", "at least 0"),
        ("cnn_vit", "calibration error of InceptionV3", "impossible", "at least 0.040"),
        ("cnn_vit", "calibration error of CustomCNN", "odd", "at least 0.010"),
        ("cnn_vit", "largest gap of CustomCNN", "impossible", "at most 0.949"),
        ("cnn_vit", "uncertainty term", "impossible", "0.107 or 0.856"),
        ("cnn_vit", "kappa of ResNet50", "impossible", "0.9698 to 0.9701"),
        ("cnn_vit", "kappa of CustomCNN", "impossible", "0.9601 to 0.9606"),
        ("cnn_vit", "kappa of EfficientNetB3", "possible", "0.9601 to 0.9606"),
        ("cnn_vit", "kappa of InceptionV3", "possible", "0.9725 to 0.9728"),
        ("cnn_vit", "feed-forward part of 256", "contradiction", "294,260,104"),
        ("cnn_vit", "training time", "contradiction", "67 min 31 s"),
        ("cnn_vit", "smallest class share", "contradiction", "7.13 %"),
        ("hmscam", "counts among false positives", "contradiction", "0.89 % (false positive rate)"),
        ("hmscam", "claim to outperform", "odd", "2 cited accuracies are higher"),
        ("vgg19_mhsa", "100 test images of each class", "odd", "99.09 % to 99.53 %"),
        ("vgg19_mhsa", "kind of smear", "contradiction", "peripheral blood"),
        ("cnn_vit", "largest rotation", "odd", "144 degrees"),
        ("cnn_vit", "scaling of the input", "odd", "0 to 255"),
        ("cnn_vit", "what the classes are", "contradiction", "normal cells"),
        ("neurallnet", "accuracy on 326", "possible", "320 / 326"),
        ("neurallnet", "interval of the accuracy", "possible", "0.9604 to 0.9915"),
        ("neurallnet", "recall of Pre", "odd", "0.9615 to 1.0000"),
        ("neurallnet", "interval of the external", "possible", "0.9529"),
    ],
)
def test_worked_numbers(table, paper: str, said: str, verdict: str, computed: str) -> None:
    rows = table[(table["paper"] == paper) & table["check"].str.contains(said, regex=False)]
    assert len(rows) == 1
    assert rows.iloc[0]["verdict"] == verdict and computed in rows.iloc[0]["computed"]


def test_every_kind_of_check_is_carried_out(table) -> None:
    kinds = {type(check) for paper in papers().values() for check in paper.checks}
    known = set(get_args(get_args(checks.Check)[0]))
    assert kinds == known and all(outcome.dispatch(kind) is not outcome.dispatch(object) for kind in known)
    assert list(table) == COLUMNS and set(table["verdict"]) == set(VERDICTS)
    assert not table.drop(columns="numbers").eq("").any(axis=None)


def test_the_gravest_come_first_within_a_paper(table) -> None:
    ranks = table["verdict"].map(list(VERDICTS).index)
    assert all(part.is_monotonic_increasing for _, part in ranks.groupby(table["paper"]))


def test_numbers_put_right_are_found_possible() -> None:
    paper = papers()["hmscam"]
    matrix = next(check for check in paper.checks if check.kind == "counts" and check.number == "accuracy")
    right = matrix.model_copy(update={"number": None, "value": 0.95, "digits": 3})
    assert outcome(right, paper).verdict == "possible"
    runs = next(check for check in paper.checks if check.kind == "anova")
    assert outcome(runs.model_copy(update={"p": 0.015}), paper).verdict == "possible"
    half = next(check for check in paper.checks if check.kind == "run_interval")
    assert outcome(half.model_copy(update={"half_width": 0.015}), paper).verdict == "possible"
    size = next(check for check in paper.checks if check.kind == "split_size")
    assert outcome(size.model_copy(update={"images": 651}), paper).verdict == "possible"
    with pytest.raises(TypeError, match="is no check"):
        outcome("words", paper)


def changed(paper: str, kind: str, **changes: object):
    """The verdict and result of a paper's check with other numbers."""
    check = next(check for check in papers()[paper].checks if check.kind == kind)
    return plain(outcome(check.model_copy(update=changes), papers()[paper]))


def plain(result: Outcome) -> Outcome:
    """With ordinary spaces in front of percent signs."""
    texts = {name: str(text).replace("\N{NO-BREAK SPACE}", " ") for name, text in asdict(result).items()}
    return Outcome(**texts)


def test_a_rate_is_told_by_its_name() -> None:
    assert changed("hmscam", "rate", named="false negative rate").verdict == "possible"
    assert changed("hmscam", "rate", value=0.009).verdict == "possible"
    swapped = changed("hmscam", "rate")
    assert "is the false negative rate" in swapped.arithmetic and "12 / 550 = 2.18 %" in swapped.arithmetic
    neither = changed("hmscam", "rate", value=0.5)
    assert neither.verdict == "contradiction" and "is neither" in neither.arithmetic


def test_works_below_a_number_do_not_outdo_it() -> None:
    paper = papers()["hmscam"]
    best = paper.number("accuracy_binary").model_copy(update={"value": 0.999})
    numbers = tuple(best if number.key == best.key else number for number in paper.numbers)
    check = next(check for check in paper.checks if check.kind == "outdone")
    assert outcome(check, paper.model_copy(update={"numbers": numbers})).verdict == "possible"
    said = plain(outcome(check, paper))
    assert "Genovese et al. 99.73 %" in said.arithmetic and "AlexNet" not in said.arithmetic


def test_an_angle_in_the_unit_of_the_library_agrees() -> None:
    assert changed("cnn_vit", "angle", degrees=144).verdict == "possible"
    assert changed("cnn_vit", "angle", degrees=40).verdict == "contradiction"
    assert changed("cnn_vit", "angle", factor=0.1, degrees=6).computed == "36 degrees in the library"


def test_a_test_set_in_the_proportions_of_the_dataset_says_what_it_seems() -> None:
    without = changed("vgg19_mhsa", "mix", right=400)
    assert (without.verdict, without.computed) == ("possible", "100.00 % to 100.00 %")
