"""What the five papers publish: numbers, figures, and what is checked of them; data in `papers/*.yaml`."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from leukoflow.config.base import Name, Section
from leukoflow.config.cohorts import Cohort
from leukoflow.config.conditions import Conditions
from leukoflow.config.errors import explain, nearest
from leukoflow.config.models import METRICS
from leukoflow.config.published_checks import Check, named_by
from leukoflow.core.errors import LeukoFlowError

FOLDER = Path(__file__).parent / "papers"
Metric = Literal[
    "accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "mcc", "kappa", "macro_precision",
    "weighted_precision", "weighted_f1", "one_vs_rest_accuracy", "precision", "recall", "f1", "auc", "partial_auc",
    "ap", "micro_auc", "micro_ap", "separation", "nmi", "error_entropy", "top3", "confidence_right",
    "confidence_wrong", "ece", "mce", "brier", "reliability", "resolution", "uncertainty", "sharpness", "ici",
    "classwise_ece", "ece_scaled", "temperature", "class_temperature", "loss", "adaptive_ece", "parameters",
    "seconds_per_image", "gpu_seconds_per_image", "training_seconds", "images_per_second", "megabytes",
    "memory_megabytes", "gpu_memory_megabytes",
]  # fmt: skip
Perturbation = Literal[
    "gaussian_noise", "salt_pepper", "gaussian_blur", "defocus", "resolution", "jpeg", "occlusion", "rotation",
    "brightness", "contrast", "stain_shift",
]  # fmt: skip
COSTS = (
    "parameters", "seconds_per_image", "gpu_seconds_per_image", "training_seconds", "images_per_second", "megabytes",
    "memory_megabytes", "gpu_memory_megabytes",
)  # fmt: skip
"""Metrics of what a model costs."""
AMOUNTS = ("loss", "temperature", "class_temperature", "error_entropy", *COSTS)
"""Metrics that are no shares."""


class Dataset(Section):
    """Images as a paper used them."""

    name: str
    url: str | None = None
    """Address under which a study's cohort of the same images downloads them; nothing if there is none."""
    images: int = Field(ge=1)
    counts: dict[str, int] = {}
    """Images by class."""


class Number(Section):
    """One published number."""

    key: Name
    what: str
    """In words, such as `accuracy, four classes`."""
    metric: Metric
    value: float
    """A share 0 to 1, or an amount in the metric's unit (seconds, megabytes, a count)."""
    digits: int = Field(4, ge=0, le=6)
    """Decimals of the value as printed."""
    low: float | None = None
    high: float | None = None
    """The interval that the paper gives."""
    where: str
    """Table, figure or section."""
    task: Name | None = None
    label: str = ""
    """Class that it is of, by the name that our task gives it."""
    dataset: Name
    """Key of section `datasets`."""
    protocol: str
    """How the paper divided the images, in words."""
    target: Name | None = None
    """Key of the dataset tested on, if it is not the one trained on."""
    share: float = Field(1, gt=0, le=1)
    """Share of the training images that the model was trained on."""
    perturbation: Perturbation | None = None
    """How the test images were changed; nothing for images as they are."""
    level: float | None = None
    """How strongly, as section `evaluation.robustness` counts it."""
    architecture: Name | None = None
    """Our architecture that corresponds."""
    options: dict[str, bool | int | float | str | list[str] | list[int]] = {}
    """Options with which it does."""
    loose: bool = False
    """Whether a model of this architecture with other options may stand next to it if no exact one was run."""
    counted: int | None = None
    """Parameters that we count in our network of the published size."""
    note: str = ""
    """What a reader must know to read the number."""

    @model_validator(mode="after")
    def _values_can_be(self) -> "Number":
        least = -1 if self.metric in ("mcc", "kappa") else 0
        if self.metric not in AMOUNTS and not least <= self.value <= 1:
            raise ValueError(f"{self.key}: {self.metric} must lie in {least} to 1; a percentage is written as a share")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.key}: an interval has two limits, low and high")
        if self.low is not None and self.high is not None and not self.low <= self.value <= self.high:
            raise ValueError(f"{self.key}: the value lies outside its interval")
        if (self.perturbation is None) != (self.level is None):
            raise ValueError(f"{self.key}: a change of the images has a kind and a level: perturbation and level")
        return self

    @property
    def of_test_images(self) -> bool:
        """Whether it is of a model trained on all its images, and of test images as they are from the same dataset."""
        return self.target is None and self.share == 1 and self.perturbation is None


class Series(Section):
    """Numbers of one metric, printed for several models or classes in one place of a paper."""

    metric: Metric
    what: str
    """In words, such as `precision`; the class and the model are added."""
    where: str
    digits: int = Field(3, ge=0, le=6)
    note: str = ""
    share: float = Field(1, gt=0, le=1)
    values: dict[Name, float | dict[str, float]] = Field(min_length=1)
    """By the key of the number that has all else in common, such as the model's accuracy: the value, or those of its
    classes."""


class Cited(Section):
    """Another work's result, as a paper prints it."""

    work: str
    """Authors and system."""
    where: str
    """Table or section of the paper that cites it."""
    accuracy: float = Field(ge=0, le=1)
    macro_f1: float | None = Field(None, ge=0, le=1)
    parameters: int | None = None
    megabytes: float | None = None
    task: str = ""
    """What was classified, as the paper says."""
    images: str = ""
    """Images, as the paper says."""
    note: str = ""


class PaperTable(Section):
    """One table of a paper, and our tables that stand for it."""

    number: str
    """As the paper counts it, such as `T3`."""
    shows: str
    tables: tuple[Name, ...] = ()
    """Ours, in `results/STUDY/tables`."""
    differs: str = ""
    """How ours differ, or why there is none."""


class PaperFigure(Section):
    """One figure of a paper, and what we have that shows the same."""

    number: str
    """As the paper counts it, such as `3`, or `T7` for a table that we draw."""
    what: Name
    """Becomes part of the file's name."""
    shows: str
    """In words."""
    family: Name | None = None
    """Our figure family; nothing for diagrams and photographs, which are no results."""
    tasks: tuple[Name, ...] = ()
    """The paper's tasks that it is of; nothing for all of them."""
    perturbations: tuple[Perturbation, ...] = ()
    """Changes of pictures that it shows; for family `robustness`."""
    metrics: tuple[Literal["accuracy", "f1", "f1_by_class"], ...] = ()
    """What it shows against the number of training images; for family `sample_size`."""
    varies: tuple[str, ...] = ()
    """Options of the architecture that its models differ in, and `loss`; for family `ablation`."""
    differs: str = ""
    """How ours differs from the paper's."""

    @model_validator(mode="after")
    def _says_what_its_family_needs(self) -> "PaperFigure":
        for family, key in (("robustness", "perturbations"), ("sample_size", "metrics"), ("ablation", "varies")):
            if (self.family == family) != bool(getattr(self, key)):
                raise ValueError(f"{key} goes with family {family}, and that family needs it")
        return self


class Paper(Section):
    """One publication."""

    paper: Name
    """Short name: its folder of figures."""
    system: str
    citation: str
    tasks: dict[Name, int] = Field(min_length=1)
    """Our tasks that its results are about, with the number of classes of each, the first one first in figures."""
    architectures: tuple[Name, ...] = Field(min_length=1)
    """Our architectures of the system."""
    conditions: Conditions
    """How its runs were made."""
    backbones: tuple[str, ...] = ()
    """Networks whose features its models read, where they read no pictures."""
    datasets: dict[Name, Dataset] = Field(min_length=1)
    numbers: tuple[Number, ...] = Field(min_length=1)
    """With those of `series`."""
    series: tuple[Series, ...] = ()
    checks: tuple[Check, ...] = ()
    literature: tuple[Cited, ...] = ()
    figures: tuple[PaperFigure, ...] = ()
    tables: tuple[PaperTable, ...] = ()

    @model_validator(mode="after")
    def _series_are_numbers(self) -> "Paper":
        numbers = list(self.numbers)
        for series in self.series:
            for key, values in series.values.items():
                alike = next((number for number in self.numbers if number.key == key), None)
                if alike is None:
                    hint = nearest(key, [number.key for number in self.numbers])
                    raise ValueError(f"series: {series.what}: {key!r} is no published number{hint}")
                numbers += [_of_series(series, alike, *one) for one in _labelled(values)]
        object.__setattr__(self, "numbers", tuple(numbers))
        return self

    @model_validator(mode="after")
    def _names_exist(self) -> "Paper":
        keys = [number.key for number in self.numbers]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"numbers: key {twice[0]!r} occurs twice; give each number its own")
        for number in self.numbers:
            for dataset in filter(None, (number.dataset, number.target)):
                if dataset not in self.datasets:
                    hint = nearest(dataset, self.datasets)
                    raise ValueError(f"numbers: {number.key}: {dataset!r} is not in section datasets{hint}")
        for task in self.conditions.tests:
            if task not in self.tasks:
                raise ValueError(f"conditions: tests: {task!r} is no task of the paper{nearest(task, self.tasks)}")
        for figure in self.figures:
            for task in figure.tasks:
                if task not in self.tasks:
                    raise ValueError(f"figures: {figure.number}: {task!r} is no task of the paper")
        for check in self.checks:
            for key in named_by(check):
                if key not in keys:
                    raise ValueError(f"checks: {check.what}: {key!r} is no published number{nearest(key, keys)}")
        return self

    @property
    def trained_on(self) -> list[str]:
        """Keys of the datasets that its systems are trained on."""
        return list(dict.fromkeys(number.dataset for number in self.numbers))

    def dataset_of(self, name: str, cohort: Cohort) -> str | None:
        """Key of the dataset that a study's cohort is: downloaded from the same address, or else of its name; None for
        another cohort."""
        url = getattr(cohort, "url", None)
        if url:
            return next((key for key, dataset in self.datasets.items() if dataset.url == url), None)
        return name if name in self.datasets and cohort.kind == "folder" else None

    def number(self, key: str) -> Number:
        """The number of this key."""
        return next(number for number in self.numbers if number.key == key)


def _labelled(values: float | dict[str, float]) -> list[tuple[str, float]]:
    """Values by class, or the one of all classes."""
    return list(values.items()) if isinstance(values, dict) else [("", values)]


def _of_series(series: Series, alike: Number, label: str, value: float) -> Number:
    """A number of a series: what it does not say is as in the number `alike`."""
    share = f"{100 * series.share:g}" if series.share < 1 else ""
    key = "_".join(filter(None, [alike.key, series.metric, label, share])).lower()
    whose = alike.what.partition(", ")[2] if "accuracy" in alike.what else alike.what
    facts = alike.model_dump() | {"key": key, "what": ", ".join(filter(None, [series.what, label, whose]))}
    facts |= {"metric": series.metric, "value": value, "digits": series.digits, "low": None, "high": None}
    facts |= {"where": series.where, "label": label, "share": series.share, "counted": None, "note": series.note}
    return Number.model_validate(facts)


@cache
def papers() -> dict[str, Paper]:
    """Every paper by its short name, in the order of the files. Raises LeukoFlowError that names file and key."""
    return {paper.paper: paper for paper in map(read_paper, sorted(FOLDER.glob("*.yaml")))}


def read_paper(path: Path) -> Paper:
    """The paper of one file; LeukoFlowError if it is not as it should be."""
    try:
        return Paper.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise LeukoFlowError(f"{path}: {explain(error, Paper)}") from error
    except (OSError, yaml.YAMLError) as error:
        raise LeukoFlowError(f"{path}: cannot be read ({error})") from error


def headlines(architecture: str, options: dict, dataset: str | None = None) -> dict[str, dict[str, float]]:
    """Figures for key `published` of a model: by task, those of the leaderboard's metrics on a paper's own images."""
    figures: dict[str, dict[str, float]] = {}
    for paper in papers().values():
        for number in paper.numbers:
            fits = number.architecture == architecture and number.options == options and number.of_test_images
            if (
                fits
                and not number.label
                and number.task
                and number.metric in METRICS
                and dataset in (None, number.dataset)
            ):
                figures.setdefault(number.task, {}).setdefault(number.metric, number.value)
    return figures
