"""A study: the whole config."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from leukoflow.config.base import Name, Section
from leukoflow.config.cohorts import Cohort
from leukoflow.config.errors import nearest
from leukoflow.config.evaluation import Evaluation
from leukoflow.config.experiments import Experiment
from leukoflow.config.features import Features
from leukoflow.config.models import Model
from leukoflow.config.quality import Quality
from leukoflow.config.segmentation import Segmentation
from leukoflow.config.splits import Splits
from leukoflow.config.tasks import Task
from leukoflow.config.views import View


class Study(Section):
    """Which cohorts, tasks, views, models and experiments; its results are in `results/<study>`."""

    study: Name
    """Name of the study and of its folder in `results`."""
    title: Annotated[str, StringConstraints(min_length=1)] = "LeukoFlow study"
    """Title of the report."""
    cohorts: dict[Name, Cohort] = Field(min_length=1)
    """Cohorts by name."""
    tasks: dict[Name, Task] = Field(min_length=1)
    """Tasks by name."""
    quality: Quality = Quality()
    """Duplicates and acquisition clusters."""
    splits: Splits = Splits()
    """Division into roles."""
    segmentation: Segmentation = Segmentation()
    """White cells: found, told apart, measured."""
    views: dict[Name, View] = Field(min_length=1)
    """Views by name."""
    features: dict[Name, Features] = {}
    """Features by name."""
    models: dict[Name, Model] = Field(min_length=1)
    """Models by name."""
    experiments: dict[Name, Experiment] = Field(min_length=1)
    """Experiments by name."""
    evaluation: Evaluation = Evaluation()
    """Intervals."""

    @model_validator(mode="after")
    def _references_exist(self) -> "Study":
        for name, experiment in self.experiments.items():
            where = f"experiments.{name}"
            _known(f"{where}.cohort", (experiment.cohort,), self.cohorts, "cohorts")
            _known(f"{where}.external", experiment.external, self.cohorts, "cohorts")
            _known(f"{where}.task", (experiment.task,), self.tasks, "tasks")
            _known(f"{where}.views", experiment.views, self.views, "views")
            _known(f"{where}.models", experiment.models, self.models, "models")
            for model in experiment.models:
                wanted = self.models[model].features
                _known(f"models.{model}.features", (wanted,) if wanted else (), self.features, "features")
            if experiment.cohort in experiment.external:
                raise ValueError(f"{where}.external: {experiment.cohort} is the training cohort itself")
        _known("segmentation.sources", self.segmentation.sources, self.cohorts, "cohorts")
        for name in self.segmentation.sources:
            masks = self.cohorts[name].masks
            if masks is None or not masks.expert:
                raise ValueError(f"segmentation.sources: {name} has no expert masks; describe them in its key masks")
        return self


def _known(where: str, names: tuple[str, ...], section: dict, title: str) -> None:
    for name in names:
        if name not in section:
            raise ValueError(f"{where}: {name!r} is not in section {title}{nearest(name, section)}")
