"""A study: the whole config."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints, model_validator

from leukoflow.config.base import Name, Section
from leukoflow.config.changes import check_alone, with_ablation, with_sweep
from leukoflow.config.cohorts import Cohort
from leukoflow.config.errors import nearest
from leukoflow.config.evaluation import Evaluation
from leukoflow.config.experiments import Experiment
from leukoflow.config.export import Export
from leukoflow.config.features import Features
from leukoflow.config.models import Model
from leukoflow.config.protocols import PLAIN, division_of, misnamed, ready
from leukoflow.config.quality import Quality
from leukoflow.config.segmentation import Segmentation
from leukoflow.config.splits import LABORATORY, Division, Splits
from leukoflow.config.tasks import Task
from leukoflow.config.training import Training
from leukoflow.config.variants import with_recipe, with_shares, without_hub
from leukoflow.config.views import CohortStain, View
from leukoflow.core.runs import is_baseline


class Study(Section):
    """Which cohorts, tasks, views, models and experiments; its results are in `results/<study>`."""

    study: Name
    """Name of the study and of its folder in `results`."""
    title: Annotated[str, StringConstraints(min_length=1)] = "LeukoFlow study"
    """Title of the report."""
    cohorts: dict[Name, Cohort] = Field(min_length=1)
    """Cohorts by name; `{entry: NAME}` takes a [ready entry](#ready-entries), and keys given with it replace those of
    the entry."""
    tasks: dict[Name, Task] = Field(min_length=1)
    """Tasks by name."""
    quality: Quality = Quality()
    """Duplicates and acquisition clusters."""
    splits: Splits = Splits()
    """Division into roles."""
    protocols: dict[Name, Division] = {}
    """Divisions besides, by name; `{entry: NAME}` takes a [ready protocol](#ready-protocols), and keys given with it
    replace those of the entry."""
    segmentation: Segmentation = Segmentation()
    """White cells: found, distinguished, measured."""
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
    export: Export = Export()
    """Models to answer with."""
    hub: bool = True
    """Whether weights are downloaded from a hub. `false`, for machines that cannot reach one: networks whose entries
    name weights of a hub start from random weights, as every table says."""

    @model_validator(mode="before")
    @classmethod
    def _with_twins(cls, config: Any) -> Any:
        """Models of an experiment with a recipe get twins that are trained by it, `MODEL_RECIPE`; of one with shares,
        twins that are trained on those shares of the images, `MODEL_share25`; with a sweep or an ablation, variants."""
        if not isinstance(config, dict):
            return config
        if config.get("hub") is False:
            config = without_hub(config)
        parts: list[Any] = [config.get(name, {}) for name in ("models", "recipes", "experiments", "features")]
        if not all(isinstance(part, dict) for part in parts):
            return config
        models, recipes, experiments, features = dict(parts[0]), parts[1], {}, dict(parts[3])
        for name, experiment in parts[2].items():
            if not isinstance(experiment, dict) or not isinstance(experiment.get("models"), (list, tuple)):
                experiments[name] = experiment
                continue
            check_alone(name, experiment)
            whole = with_sweep(name, with_recipe(experiment, models, recipes), models, features)
            for part, made in with_ablation(name, whole, models, features, parts[2]):
                experiments[part] = with_shares(made, models)
        return {**config, "models": models, "experiments": experiments, "features": features}

    def division(self, protocol: str) -> Division:
        """How a protocol of an experiment divides images."""
        division = division_of(protocol, self.protocols, self.splits)
        if division is None:  # what is validated has none
            raise ValueError(f"{protocol!r} is no protocol{nearest(protocol, (*PLAIN, *ready(), *self.protocols))}")
        return division

    def folds(self, cohort: str, protocol: str) -> int:
        """Number of folds of a protocol on a cohort: by laboratory as many as there are laboratories."""
        division, source = self.division(protocol), self.cohorts[cohort]
        return len(source.cohorts) if division.groups == LABORATORY and source.kind == "pooled" else division.folds

    def images_of(self, cohort: str) -> int:
        """About how many images a cohort has."""
        source = self.cohorts[cohort]
        return sum(self.images_of(name) for name in source.cohorts) if source.kind == "pooled" else source.images

    def laboratories(self, cohort: str) -> tuple[str, ...]:
        """The cohorts that a pooled one joins, in the order of folds; none for any other."""
        source = self.cohorts[cohort]
        return tuple(sorted(source.cohorts)) if source.kind == "pooled" else ()

    @model_validator(mode="after")
    def _pooled_cohorts_exist(self) -> "Study":
        for name, cohort in self.cohorts.items():
            if cohort.kind != "pooled":
                continue
            _known(f"cohorts.{name}.cohorts", cohort.cohorts, self.cohorts, "cohorts")
            for part in cohort.cohorts:
                if self.cohorts[part].kind == "pooled":
                    raise ValueError(f"cohorts.{name}.cohorts: {part} is pooled itself; name the cohorts that it joins")
        return self

    @model_validator(mode="after")
    def _protocols_exist(self) -> "Study":
        for name, division in self.protocols.items():
            if problem := misnamed(name, division):
                raise ValueError(problem)
        known = dict.fromkeys((*PLAIN, *self.protocols, *ready()))
        for name, experiment in self.experiments.items():
            where = f"experiments.{name}"
            _known(f"{where}.protocols", experiment.protocols, known, "protocols")
            under = experiment.checked_under
            if under is not None and under not in experiment.protocols:
                hint = nearest(under, experiment.protocols)
                raise ValueError(f"{where}.checked_under: {under!r} is not one of its protocols{hint}")
            for protocol in experiment.protocols:
                source = self.cohorts.get(experiment.cohort)
                if source and self.division(protocol).groups == LABORATORY and source.kind != "pooled":
                    raise ValueError(
                        f"{where}.protocols: {protocol} leaves out one laboratory of several, and "
                        f"{experiment.cohort} is one; name a cohort of kind pooled"
                    )
                copied = [leak for leak in self.division(protocol).leaks if leak.startswith("augmented")]
                reads = [model for model in experiment.models if model in self.models and self.models[model].features]
                if copied and reads:
                    raise ValueError(
                        f"{where}.protocols: {protocol} trains on changed copies of pictures, and {reads[0]} reads "
                        "features; list it in an experiment of its own"
                    )
        return self

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
            for cohort in (experiment.cohort, *self.laboratories(experiment.cohort)):
                if cohort in experiment.external:
                    part = "itself" if cohort == experiment.cohort else f"(a part of {experiment.cohort})"
                    raise ValueError(f"{where}.external: {cohort} is the training cohort {part}")
        for name, entry in self.models.items():
            _known(f"models.{name}.published", tuple(entry.published), self.tasks, "tasks")
        for model in self.export.models or ():
            refused = exportable(self, model)
            if refused:
                raise ValueError(f"export.models: {refused}")
        for name, view in self.views.items():
            if isinstance(view.target, CohortStain):
                _known(f"views.{name}: target.cohort", (view.target.cohort,), self.cohorts, "cohorts")
        for name, experiment in self.experiments.items():
            for view_name in experiment.views:
                if self.views[view_name].target == CohortStain(cohort=experiment.cohort):
                    raise ValueError(
                        f"experiments.{name}.views: the stain of {view_name} would be that of {experiment.cohort}, its "
                        "test images included; set target to training"
                    )
        if deep := self.quality.deep:
            _known("quality.deep.features", (deep.features,), self.features, "features")
            _known("quality.deep.view", (deep.view,), self.views, "views")
            if self.features[deep.features].kind != "deep":
                raise ValueError(f"quality.deep.features: {deep.features} is of no network; name an entry of kind deep")
            if self.views[deep.view].needs_cells or self.views[deep.view].target == "training":
                raise ValueError(
                    f"quality.deep.view: pictures of {deep.view} need masks or splits, which need the groups first; "
                    "name a view without cells and without target training, such as a plain one"
                )
        _known("segmentation.sources", self.segmentation.sources, self.cohorts, "cohorts")
        if self.segmentation.adapt:
            _known("segmentation.adapt.cohort", (self.segmentation.adapt.cohort,), self.cohorts, "cohorts")
        for name in self.segmentation.sources:
            masks = self.cohorts[name].masks
            if masks is None or not masks.expert:
                raise ValueError(f"segmentation.sources: {name} has no expert masks; describe them in its key masks")
        return self


def exportable(study: Study, model: str) -> str:
    """Why a model cannot be exported, in one line; empty if it can."""
    known = {name for experiment in study.experiments.values() for name in experiment.models}
    if model not in known:
        return f"{model!r} is a model of no experiment{nearest(model, known)}"
    features = study.features.get(study.models[model].features or "")
    if features is not None and features.kind == "morphology":
        return (
            f"{model} reads the morphology of segmented cells, which is measured and no network, and cannot be "
            "exported; name networks, or models on features of networks"
        )
    if is_baseline(study.models[model].architecture):
        return f"{model} is the colour baseline, no network, and cannot be exported; name networks"
    views = [
        view for experiment in study.experiments.values() if model in experiment.models for view in experiment.views
    ]
    if not any(study.views[view].kind != "cells" for view in views):
        return f"{model} is trained on single cells alone and cannot be exported; name a view of whole pictures"
    return ""


def _known(where: str, names: tuple[str, ...], section: dict, title: str) -> None:
    for name in names:
        if name not in section:
            raise ValueError(f"{where}: {name!r} is not in section {title}{nearest(name, section)}")
