"""Models that differ in one thing alone: the number of their features, how these are chosen, or the share of the images
they learn from."""

import re
from collections.abc import Mapping

from leukoflow.config.features import Features, Selection
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
    known = {name: pair for name, model in models.items() if (pair := family_of(name, model))}
    numbers: dict[str, set[int]] = {}
    for family, count in known.values():
        numbers.setdefault(family, set()).add(count)
    return {name: pair for name, pair in known.items() if len(numbers[pair[0]]) > 1}


def selections_of(
    models: Mapping[str, Model], features: Mapping[str, Features]
) -> dict[str, tuple[str, Selection, int | None]]:
    """Family, ranking and number of features (`options.features`; None for that of the size) of each model that differs
    from another one in how its features are chosen: in the method, or in the method and the number.

    A family is called by its first model.
    """
    alike: dict[str, dict[str, tuple[Selection, int | None]]] = {}
    for name, model in models.items():
        if model.features is None or model.features not in features:
            continue
        entry = features[model.features]
        count = model.options.get("features")
        options = {key: value for key, value in model.options.items() if key != "features"}
        changed = model.model_copy(update={"features": None, "options": options, "published": {}, "variant": None})
        method = entry.selection.model_copy(update={"method": "none"})
        key = changed.model_dump_json() + entry.model_copy(update={"selection": method}).model_dump_json()
        alike.setdefault(key, {})[name] = (entry.selection, count if isinstance(count, int) else None)
    selections: dict[str, tuple[str, Selection, int | None]] = {}
    for family in alike.values():
        if len({selection.method for selection, _ in family.values()}) > 1:
            first = next(iter(family))
            selections |= {name: (first, *chosen) for name, chosen in family.items()}
    return selections


def shares_of(models: Mapping[str, Model]) -> dict[str, tuple[str, float]]:
    """The model on all images, and the share of them, of each model that is there on several shares."""
    alike: dict[str, dict[str, float]] = {}
    for name, model in models.items():
        training = model.training.model_copy(update={"share": 1.0})
        whole = model.model_copy(update={"training": training, "published": {}})
        alike.setdefault(whole.model_dump_json(), {})[name] = model.training.share
    shares: dict[str, tuple[str, float]] = {}
    for family in alike.values():
        if len(set(family.values())) > 1:
            largest = max(family, key=lambda name: family[name])
            base = re.sub(r"_share[\d_]+$", "", largest)
            shares |= {name: (base, share) for name, share in family.items()}
    return shares
