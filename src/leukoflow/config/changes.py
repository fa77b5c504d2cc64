"""Models that an experiment makes of the listed ones by changing some of their keys: a sweep, or an ablation.

All of this works on the config as it was read, before it is validated; a change is checked here, for the name of a
model that nobody wrote would say little.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import BaseModel

from leukoflow.config.errors import members, nearest
from leukoflow.config.features import DeepFeatures, MorphologyFeatures
from leukoflow.config.models import Model
from leukoflow.core.runs import BASELINE

Given = dict[str, Any]
MOST_VARIANTS = 64
"""Models that a sweep may make of one."""
LONGEST = 120
"""Characters of a model's name, which becomes part of a folder's."""
ENTRY = "features"
"""Keys that begin so are of the entry of section features that the model reads."""
VIEW = "view"
"""Key of an ablation that is no model's: the view on which the models are trained in place of the experiment's."""


def with_sweep(name: str, experiment: Given, models: Given, features: Given) -> Given:
    """The experiment with variants in place of its models, one for each combination of the values of `sweep`.

    Variants are added to the models, entries that they read to the features. The colour baseline stays as it is.
    Raises ValueError: which key, what is wrong.
    """
    sweep, where = experiment.get("sweep"), f"experiments.{name}.sweep"
    if not isinstance(sweep, dict) or not sweep:
        return experiment
    for key, values in sweep.items():
        _check_key(where, key)
        if not isinstance(values, (list, tuple)) or not values:
            raise ValueError(f"{where}.{key}: must be a list of values, not {values!r}")
    grid = [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]
    if len(grid) > MOST_VARIANTS:
        sizes = " x ".join(str(len(values)) for values in sweep.values())
        raise ValueError(
            f"{where}: {sizes} = {len(grid)} combinations, more than {MOST_VARIANTS}; give fewer values, or sweep the "
            "keys in experiments of their own"
        )
    listed: list[Any] = []
    for model in experiment["models"]:
        if not _can_change(model, models):
            listed.append(model)
            continue
        made = [_variant(where, model, label(values), values, models, features) for values in grid]
        if len(set(made)) < len(made):
            raise ValueError(f"{where}: two combinations of values have one name; give values that differ")
        listed += made
    return {**experiment, "models": listed}


def check_alone(name: str, experiment: Given) -> None:
    """Refuse an experiment that makes models of others in two ways at once, by ValueError."""
    keys = [key for key in ("sweep", "ablation", "shares") if experiment.get(key)]
    if len(keys) > 1:
        raise ValueError(
            f"experiments.{name}: {' and '.join(keys)} cannot go together; give each an experiment of its own"
        )


def with_ablation(
    name: str, experiment: Given, models: Given, features: Given, experiments: Given
) -> Iterator[tuple[str, Given]]:
    """The experiment with variants next to its models, one for each entry of `ablation`; and for each entry with a view
    an experiment of its own on that view, NAME_ENTRY, with those variants (or the models, if nothing else changes).

    Raises ValueError: which key, what is wrong.
    """
    ablation = experiment.get("ablation")
    if not isinstance(ablation, dict) or not ablation:
        yield name, experiment
        return
    whole = [model for model in experiment["models"] if _can_change(model, models)]
    listed, beside = list(experiment["models"]), {}
    for entry, changes in ablation.items():
        where = f"experiments.{name}.ablation.{entry}"
        if not isinstance(entry, str) or not re.fullmatch("[a-z][a-z0-9_]*", entry):
            raise ValueError(f"{where}: a name has lower case letters, digits and underscores")
        if not isinstance(changes, dict) or not changes:
            raise ValueError(f"{where}: must be keys with values, such as {{features.attention: false}}")
        values = {key: value for key, value in changes.items() if key != VIEW}
        for key in values:
            _check_key(where, key)
        made = [_variant(where, model, entry, values, models, features) for model in whole] if values else whole
        if VIEW in changes:
            part = f"{name}_{entry}"
            if part in experiments and experiments[part].get("part_of") != name:
                raise ValueError(f"{where}: there is an experiment {part} already; rename it")
            beside[part] = _on_view(experiment, changes[VIEW], made) | {"part_of": name}
        else:
            listed += [model for model in made if model not in listed]
    yield name, {**experiment, "models": listed}
    yield from beside.items()


def _on_view(experiment: Given, view: Any, models: Sequence[str]) -> Given:
    """What an experiment trains on the view of one of its ablations."""
    kept = ("cohort", "task", "protocols", "seeds", "external")
    others = [model for model in experiment["models"] if model == BASELINE]
    chosen = {key: experiment[key] for key in kept if key in experiment}
    return {**chosen, "views": [view], "models": [*others, *models], "checks": []}


def label(values: Mapping[str, Any]) -> str:
    """Part of a name that says which values keys have: `learning_rate_0_001_optimiser_adam`."""
    last = [key.rpartition(".")[2] for key in values]
    words = [key if last.count(key) == 1 else path.replace(".", "_") for key, path in zip(last, values, strict=True)]
    return "_".join(f"{word}_{_word(value)}" for word, value in zip(words, values.values(), strict=True))


def _word(value: Any) -> str:
    """A value as part of a name: lower case letters, digits and underscores."""
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        return "_".join(map(_word, value)) or "none"
    if isinstance(value, dict):
        return label(value) if value else "none"
    if isinstance(value, float) and math.isfinite(value):
        text = f"{value:f}".rstrip("0").rstrip(".") if 1e-6 <= abs(value) < 1e6 or value == 0 else f"{value:g}"
        value = f"minus{text[1:]}" if text.startswith("-") else text
    return re.sub("[^a-z0-9]+", "_", str(value).lower()).strip("_") or "none"


def _can_change(model: Any, models: Given) -> bool:
    """Whether a listed model is one that is changed: known, no baseline, and no variant itself (as in a resolved
    study)."""
    known = models.get(model) if isinstance(model, str) else None
    return isinstance(known, dict) and known.get("architecture") != BASELINE and not known.get("variant")


def _variant(where: str, of: str, name: str, values: Given, models: Given, features: Given) -> str:
    """Name of the model with these values, which is added to the models; so is the entry that it reads, if any of the
    values are of that."""
    made = f"{of}_{name}"
    if len(made) > LONGEST:
        raise ValueError(f"{where}: the name {made} has {len(made)} characters, more than {LONGEST}; sweep fewer keys")
    if made in models:
        if (models[made].get("variant") or {}).get("of") != of:
            raise ValueError(f"{where}: there is a model {made} already; rename it")
        return made
    # What the paper publishes is of the model as it is.
    model = {**models[of], "published": {}, "variant": {"of": of, "values": values}}
    entry = {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{ENTRY}.")}
    for key, value in values.items():
        if not key.startswith(f"{ENTRY}."):
            model = _with(model, key.split("."), value)
    if entry:
        model[ENTRY] = _entry(f"{where}, {of}", model.get(ENTRY), label(entry), entry, features)
    models[made] = model
    return made


def _entry(where: str, of: Any, name: str, values: Given, features: Given) -> str:
    """Name of the entry of section features with these values, which is added to the features."""
    if not isinstance(of, str) or not isinstance(features.get(of), dict):
        raise ValueError(f"{where}: the model reads no entry of section features; change keys of the model alone")
    made = f"{of}_{name}"
    changed = features[of]
    for key, value in values.items():
        changed = _with(changed, key.split("."), value)
    if changed == features[of]:  # these are its values
        return of
    if features.setdefault(made, changed) != changed and not _resolved(features[made], changed):
        raise ValueError(f"{where}: there is an entry {made} in section features already; rename it")
    return made


def _resolved(entry: Any, changed: Given) -> bool:
    """Whether an entry says what another one does, with more defaults written out."""
    if not isinstance(entry, dict):
        return bool(entry == changed)
    return isinstance(changed, dict) and all(key in entry and _resolved(entry[key], changed[key]) for key in changed)


def _with(section: Any, path: Sequence[str], value: Any) -> Given:
    """A copy of a section in which the key of this path has the value."""
    key, *rest = path
    inner = section.get(key) if isinstance(section, dict) else None
    return {**(section or {}), key: _with(inner, rest, value) if rest else value}


def _check_key(where: str, key: Any) -> None:
    """Refuse a key that no model has, and no entry of section features."""
    path = str(key).split(".")
    if path[0] == ENTRY and len(path) > 1:
        roots: list[type[BaseModel]] = [DeepFeatures, MorphologyFeatures]
        path = path[1:]
    else:
        roots = [Model]
    sections = roots
    for depth, part in enumerate(path):
        fields = {name: field for section in sections for name, field in section.model_fields.items()}
        if part not in fields or (depth == 0 and part in ("architecture", "variant", "published", "recipe", "kind")):
            raise ValueError(f"{where}: {key!r} is no key that can be changed{nearest(part, fields)}")
        if part == "options":
            return
        sections = members(fields[part].annotation)
