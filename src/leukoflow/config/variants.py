"""Models that an experiment makes of the listed ones: trained by another recipe, or on a share of the images.

All of this works on the config as it was read, before it is validated; what is not as it should be is left for that.
"""

from collections.abc import Mapping
from typing import Any

from leukoflow.config.weights import HUB
from leukoflow.core.runs import BASELINE

Given = dict[str, Any]


def with_recipe(experiment: Given, models: Given, recipes: Mapping[str, Any]) -> Given:
    """The experiment with twins in place of its models, if it names a known recipe; they are added to the models."""
    recipe = experiment.get("recipe")
    if not isinstance(recipe, str) or recipe not in recipes:
        return experiment
    listed = list(experiment["models"])
    twins = [_by_recipe(model, recipe, models, recipes[recipe]) for model in listed]
    changed = {**experiment, "models": twins}
    if experiment.get("reference") in listed:
        changed["reference"] = twins[listed.index(experiment["reference"])]
    return changed


def _by_recipe(name: Any, recipe: str, models: Given, training: Any) -> Any:
    """Name of the model trained by the recipe, which is added to the models; colours are not trained by epochs."""
    model = models.get(name) if isinstance(name, str) else None
    if not isinstance(model, dict) or model.get("architecture") == BASELINE or model.get("recipe") == recipe:
        return name
    if model.get("features") and isinstance(training, dict):  # features cannot be augmented
        training = {key: value for key, value in training.items() if key != "augmentation"}
    # What the paper publishes is of its own training.
    models[f"{name}_{recipe}"] = {**model, "recipe": recipe, "training": training, "published": {}}
    return f"{name}_{recipe}"


def with_shares(experiment: Given, models: Given) -> Given:
    """The experiment with twins next to its models, one for each share of the images; they are added to the models."""
    shares = experiment.get("shares")
    if not isinstance(shares, (list, tuple)) or not all(isinstance(share, float) for share in shares):
        return experiment
    listed = list(experiment["models"])
    for name in tuple(listed):
        model = models.get(name) if isinstance(name, str) else None
        if not isinstance(model, dict) or _share(model) != 1:  # a twin itself, of a resolved study
            continue
        for share in shares:
            twin = f"{name}_share{100 * share:g}".replace(".", "_")
            models[twin] = {**model, "training": {**(model.get("training") or {}), "share": share}, "published": {}}
            listed += [twin] if twin not in listed else []
    return {**experiment, "models": listed}


def _share(model: Given) -> Any:
    training = model.get("training")
    return training.get("share", 1) if isinstance(training, dict) else 1


def without_hub(part: Any) -> Any:
    """A config, or a part of one, in which nothing names weights of a hub: what did starts from random weights."""
    if isinstance(part, (list, tuple)):
        return [without_hub(member) for member in part]
    if not isinstance(part, dict):
        return part
    if str(part.get("weights") or "").startswith(HUB):
        part = {key: value for key, value in part.items() if key not in ("weights", "sha256")}
    return {key: without_hub(value) for key, value in part.items()}
