"""Models that differ in the number of their features alone."""

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
