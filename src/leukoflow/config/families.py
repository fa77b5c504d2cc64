"""Models that differ in one thing alone: the number of their features, or the share of the images they learn from."""

import re
from collections.abc import Mapping

from leukoflow.config.models import Model


def family_of(name: str, model: Model) -> tuple[str, int] | None:
    """Family and number of features of a model that reads features; None for any other.

    Models that differ in `options.features` alone share a family: the name without its last `_NUMBER`.
    """
    count = model.options.get("features")
    if model.features is None or not isinstance(count, int) or isinstance(count, bool):
        return None
    return re.sub(rf"_{count}$", "", name), count


def families(models: Mapping[str, Model]) -> dict[str, tuple[str, int]]:
    """Family and number of features of each model whose family has at least two numbers."""
    known = {name: found for name, model in models.items() if (found := family_of(name, model))}
    numbers: dict[str, set[int]] = {}
    for family, count in known.values():
        numbers.setdefault(family, set()).add(count)
    return {name: found for name, found in known.items() if len(numbers[found[0]]) > 1}


def shares_of(models: Mapping[str, Model]) -> dict[str, tuple[str, float]]:
    """The model on all images, and the share of them, of each model that is there on several shares."""
    alike: dict[str, dict[str, float]] = {}
    for name, model in models.items():
        training = model.training.model_copy(update={"share": 1.0})
        whole = model.model_copy(update={"training": training, "published": {}})
        alike.setdefault(whole.model_dump_json(), {})[name] = model.training.share
    found: dict[str, tuple[str, float]] = {}
    for family in alike.values():
        if len(set(family.values())) > 1:
            largest = max(family, key=lambda name: family[name])
            base = re.sub(r"_share[\d_]+$", "", largest)
            found |= {name: (base, share) for name, share in family.items()}
    return found
