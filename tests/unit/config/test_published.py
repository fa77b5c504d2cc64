"""The papers' data: valid, told by key if it is not, and one truth with the study that repeats it."""

from pathlib import Path

import pytest
import yaml

from leukoflow.config.load import load_study
from leukoflow.config.models import METRICS
from leukoflow.config.published import FOLDER, Paper, headlines, papers, read_paper
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import registry

ROOT = Path(__file__).resolve().parents[3]
PAPER = load_study(ROOT / "workflow/studies/paper.yaml")


def changed(path: Path, **changes: object) -> Path:
    """The smallest paper with some keys set (or removed, for None)."""
    content = yaml.safe_load((FOLDER / "vgg19_mhsa.yaml").read_text()) | changes
    path.write_text(yaml.safe_dump({key: value for key, value in content.items() if value is not None}))
    return path


def test_every_paper_is_there_under_the_name_of_its_file() -> None:
    assert set(papers()) == {"hmscam", "vgg19_mhsa", "hybridcn_nas", "cnn_vit", "neurallnet"}
    assert [path.stem for path in sorted(FOLDER.glob("*.yaml"))] == list(papers())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"system": None}, "system: is required"),
        ({"sistem": 1}, "sistem: unknown key; did you mean 'system'"),
        ({"checks": [{"kind": "whole_images", "what": "x", "where": "y", "number": "acuracy", "images": 4}]},
         "'acuracy' is no published number; did you mean 'accuracy'"),
        ({"checks": [{"kind": "counts", "what": "x", "where": "y", "counts": {"a": [1, 2]}}]}, "name the number, or"),
        ({"checks": [{"kind": "counts", "what": "x", "where": "y", "value": 0.5, "counts": {"a": [3, 2]}}]},
         "cannot exceed"),
    ],
)  # fmt: skip
def test_mistakes_name_file_and_key(tmp_path: Path, changes: dict, said: str) -> None:
    path = changed(tmp_path / "one.yaml", **changes)
    with pytest.raises(LeukoFlowError) as error:
        read_paper(path)
    assert str(path) in str(error.value) and said in str(error.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": 98.16}, "a percentage is written as a share"),
        ({"low": 0.9}, "an interval has two limits"),
        ({"low": 0.1, "high": 0.2}, "lies outside its interval"),
        ({"dataset": "taleqan"}, "is not in section datasets"),
        ({"perturbation": "brightness"}, "a kind and a level"),
    ],
)
def test_numbers_must_be_able_to_be(tmp_path: Path, changes: dict, said: str) -> None:
    number = yaml.safe_load((FOLDER / "vgg19_mhsa.yaml").read_text())["numbers"][0]
    with pytest.raises(LeukoFlowError, match=said):
        read_paper(changed(tmp_path / "one.yaml", numbers=[number | changes], checks=[]))
    with pytest.raises(LeukoFlowError, match="occurs twice"):
        read_paper(changed(tmp_path / "two.yaml", numbers=[number, number], checks=[]))


def test_the_study_of_the_papers_repeats_them_exactly() -> None:
    """Key `published` of its models holds these numbers and no other, and leaves none out."""
    told: set[tuple[str, str, str]] = set()
    for name, model in PAPER.models.items():
        if model.published:
            known = headlines(model.architecture, model.options)
            accuracies = {
                task: {metric: value for metric, value in numbers.items() if metric in METRICS}
                for task, numbers in model.published.items()
            }
            assert accuracies == known, name
            told |= {(model.architecture, str(model.options), task) for task in known}
    for paper in papers().values():
        for number in paper.numbers:
            if number.metric in METRICS and number.architecture and number.of_test_images and not number.label:
                assert (number.architecture, str(number.options), number.task) in told, (paper.paper, number.key)


def test_the_papers_speak_of_what_there_is() -> None:
    architectures = {model.architecture for model in PAPER.models.values()}
    for paper in papers().values():
        assert set(paper.architectures) | set(paper.conditions.weights) <= architectures
        for name, classes in paper.tasks.items():
            assert len(PAPER.tasks[name].classes) == classes
        for name, tests in paper.conditions.tests.items():
            assert set(tests.counts) <= set(PAPER.tasks[name].classes)
        urls = {getattr(cohort, "url", None): cohort for cohort in PAPER.cohorts.values()}
        for dataset in paper.datasets.values():
            assert urls[dataset.url].expected == dataset.counts and urls[dataset.url].images == dataset.images
        for number in paper.numbers:
            assert number.task is None or not number.label or number.label in PAPER.tasks[number.task].classes, (
                number.key
            )


def test_parameters_are_those_of_our_networks() -> None:
    """Specs count them with four classes; a class more is a row of the last layer, and its bias, more."""
    width = {"resnet50_vit": 2048, "inceptionv3_vit": 2048, "efficientnetb3_vit": 1536, "customcnn_vit": 256}
    counted = [number for paper in papers().values() for number in paper.numbers if number.counted]
    for printed in counted:
        more = len(PAPER.tasks[printed.task or ""].classes) - 4
        spec = registry.spec(printed.architecture or "")
        assert printed.counted == spec.parameters + more * (width.get(spec.name, 0) + 1), printed.key
    assert len(counted) == 6


def test_a_paper_finds_its_numbers() -> None:
    assert isinstance(papers()["neurallnet"], Paper) and papers()["neurallnet"].number("no_se").value == 0.6687
    assert headlines("neurallnet", {}) == {"subtype": {"accuracy": 0.9816}}
    assert headlines("neurallnet", {"hidden": 0}) == {}


def test_numbers_of_a_series_have_all_else_from_the_number_that_is_alike(tmp_path: Path) -> None:
    f1 = {"metric": "f1", "what": "F1", "where": "Table 9", "digits": 2, "share": 0.25}
    path = changed(tmp_path / "one.yaml", series=[f1 | {"values": {"accuracy": {"Pre": 0.5, "Pro": 0.25}}}])
    paper = read_paper(path)
    number, alike = paper.number("accuracy_f1_pre_25"), paper.number("accuracy")
    assert (number.value, number.label, number.share, number.where) == (0.5, "Pre", 0.25, "Table 9")
    assert number.what == "F1, Pre, four classes" and not number.of_test_images
    assert (number.architecture, number.options, number.protocol) == (alike.architecture, alike.options, alike.protocol)
    with pytest.raises(LeukoFlowError, match="'acuracy' is no published number; did you mean 'accuracy'"):
        read_paper(changed(tmp_path / "two.yaml", series=[f1 | {"values": {"acuracy": 0.5}}]))
    with pytest.raises(LeukoFlowError, match="a percentage is written as a share"):
        read_paper(changed(tmp_path / "three.yaml", series=[f1 | {"values": {"accuracy": 50}}]))


def test_the_classification_reports_of_a_paper_fit_its_accuracies() -> None:
    """Mean recall weighted by the printed supports is the accuracy of Table 4, and F1 follows from both, as rounded."""
    paper, supports = papers()["cnn_vit"], papers()["cnn_vit"].conditions.tests["cell8"].counts
    for model in ("inception", "resnet", "efficientnet", "custom"):
        by = {
            metric: {name: paper.number(f"{model}_{metric}_{name}").value for name in supports}
            for metric in ("precision", "recall", "f1")
        }
        recall = sum(by["recall"][name] * count for name, count in supports.items()) / sum(supports.values())
        assert recall == pytest.approx(paper.number(model).value, abs=0.005)
        for name in supports:
            f1 = 2 * by["precision"][name] * by["recall"][name] / (by["precision"][name] + by["recall"][name])
            assert by["f1"][name] == pytest.approx(f1, abs=0.0101), (model, name)
