"""A study: the whole config."""

from typing import Annotated, Any

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
from leukoflow.config.training import Training
from leukoflow.config.views import View
from leukoflow.core.runs import BASELINE


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
    recipes: dict[Name, Training] = {}
    """Training recipes by name, for experiments that train all their models alike."""
    experiments: dict[Name, Experiment] = Field(min_length=1)
    """Experiments by name."""
    evaluation: Evaluation = Evaluation()
    """Intervals."""

    @model_validator(mode="before")
    @classmethod
    def _trained_alike(cls, given: Any) -> Any:
        """Every model of an experiment with a recipe gets a twin that is trained by it, `MODEL_RECIPE`."""
        if not isinstance(given, dict):
            return given
        parts: list[Any] = [given.get(name) for name in ("models", "recipes", "experiments")]
        if not all(isinstance(each, dict) for each in parts):
            return given
        models, recipes, experiments = dict(parts[0]), parts[1], parts[2]
        changed = {}
        for name, experiment in experiments.items():
            recipe = experiment.get("recipe") if isinstance(experiment, dict) else None
            listed = experiment.get("models") if isinstance(experiment, dict) else None
            if not isinstance(listed, (list, tuple)) or not isinstance(recipe, str) or recipe not in recipes:
                continue
            twins = [_twin(each, recipe, models, recipes[recipe]) for each in listed]
            changed[name] = {**experiment, "models": twins}
            if experiment.get("reference") in listed:
                changed[name]["reference"] = twins[list(listed).index(experiment["reference"])]
        return {**given, "models": models, "experiments": {**experiments, **changed}}

    @model_validator(mode="after")
    def _references_exist(self) -> "Study":
        for name, experiment in self.experiments.items():
            where = f"experiments.{name}"
            _known(f"{where}.cohort", (experiment.cohort,), self.cohorts, "cohorts")
            _known(f"{where}.external", experiment.external, self.cohorts, "cohorts")
            _known(f"{where}.task", (experiment.task,), self.tasks, "tasks")
            _known(f"{where}.views", experiment.views, self.views, "views")
            _known(f"{where}.models", experiment.models, self.models, "models")
            _known(f"{where}.recipe", (experiment.recipe,) if experiment.recipe else (), self.recipes, "recipes")
            if experiment.reference and experiment.reference not in experiment.models:
                hint = nearest(experiment.reference, experiment.models)
                raise ValueError(f"{where}.reference: {experiment.reference!r} is not one of its models{hint}")
            for model in experiment.models:
                wanted = self.models[model].features
                _known(f"models.{model}.features", (wanted,) if wanted else (), self.features, "features")
            if experiment.cohort in experiment.external:
                raise ValueError(f"{where}.external: {experiment.cohort} is the training cohort itself")
        for name, each in self.models.items():
            _known(f"models.{name}.published", tuple(each.published), self.tasks, "tasks")
        _known("segmentation.sources", self.segmentation.sources, self.cohorts, "cohorts")
        for name in self.segmentation.sources:
            masks = self.cohorts[name].masks
            if masks is None or not masks.expert:
                raise ValueError(f"segmentation.sources: {name} has no expert masks; describe them in its key masks")
        return self


def _twin(name: Any, recipe: str, models: dict, training: Any) -> Any:
    """Name of the model trained by the recipe, which is added to the models; colours are not trained by epochs."""
    model = models.get(name) if isinstance(name, str) else None
    if not isinstance(model, dict) or model.get("architecture") == BASELINE or model.get("recipe") == recipe:
        return name
    if model.get("features") and isinstance(training, dict):  # features cannot be augmented
        training = {key: value for key, value in training.items() if key != "augmentation"}
    # What the paper publishes is of its own training.
    models[f"{name}_{recipe}"] = {**model, "recipe": recipe, "training": training, "published": {}}
    return f"{name}_{recipe}"


def _known(where: str, names: tuple[str, ...], section: dict, title: str) -> None:
    for name in names:
        if name not in section:
            raise ValueError(f"{where}: {name!r} is not in section {title}{nearest(name, section)}")
