"""Config errors in one line each: which key, what is wrong, the nearest right key."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

RENAMED = {"evaluation.stress": "evaluation.robustness"}
"""Keys of earlier states, and what they are called now."""
REPLACED = {"balance": "weighted_loss and weighted_sampling"}
"""Keys of earlier states, wherever they stood, and what there is now."""
RENAMED_VALUES = {"stress": "robustness"}
"""The same of the words that a key may hold."""
NAMED = "named"
"""What pydantic calls the member of a union that is a word and no section; it is no key of the file."""


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as "; did you mean 'models'?", or the known names if none is near."""
    names = [str(key) for key in known]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(names))}" if names else ""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """All problems of a validation error, each with its key's path, separated by "; " when there are several."""
    return " | ".join(dict.fromkeys(_explain_one(problem, model) for problem in error.errors()))


def _explain_one(problem: Mapping[str, Any], model: type[BaseModel]) -> str:
    location = problem["loc"]
    section = _section_at(model, location[:-1])
    key = ".".join(str(part) for part in _visible(location, model)) or "config"
    if key in RENAMED:
        return f"{key}: is now called {RENAMED[key]}; rename it"
    if problem["type"] == "literal_error" and str(problem["input"]) in RENAMED_VALUES:
        return f"{key}: {problem['input']} is now called {RENAMED_VALUES[str(problem['input'])]}; rename it"
    if problem["type"] == "extra_forbidden" and location[-1] in REPLACED:
        return f"{key}: there is {REPLACED[location[-1]]} now; use these"
    if problem["type"] == "extra_forbidden":
        known = section.model_fields if section else ()
        return f"{key}: unknown key{nearest(str(location[-1]), known)}"
    if problem["type"] == "missing":
        return f"{key}: is required"
    message = problem["msg"].removeprefix("Value error, ")
    if key == "config":
        return message
    value = problem["input"]
    shown = f" (given: {value!r})" if isinstance(value, (str, int, float, bool)) or value is None else ""
    return f"{key}: {message[0].lower()}{message[1:]}{shown}"


def members(annotation: Any) -> list[type[BaseModel]]:
    """Sections that an annotation may stand for, through dict, tuple, Annotated and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [member for part in get_args(annotation) for member in members(part)]


def _walk(model: type[BaseModel], location: tuple[int | str, ...]) -> Iterator[tuple[list[type[BaseModel]], bool]]:
    """For each part of a location: the sections that it leads to, and whether it is a key of the file (not pydantic's
    name of a union's member)."""
    sections, entry = [model], False
    for part in location:
        tagged = [section for section in sections if part in (_tag(section), section.__name__)]
        # Of several sections pydantic names one first, by a tag that may also be a key (`folder` of a folder cohort).
        keyed = [] if tagged and len(sections) > 1 else sections
        field = next((section.model_fields[str(part)] for section in keyed if part in section.model_fields), None)
        shown = True
        if entry:  # the name that a user gave, whatever it is
            entry = False
        elif field is not None:
            sections, entry = members(field.annotation), get_origin(field.annotation) is dict
        elif tagged or part == NAMED:
            sections, shown = tagged, False
        yield sections, shown


def _tag(section: type[BaseModel]) -> str | None:
    """The one value of the key (`kind`, or `do` of operations) that tells which member of a union it is."""
    field = section.model_fields.get("kind") or section.model_fields.get("do")
    values = get_args(field.annotation) if field else ()
    return values[0] if len(values) == 1 else None


def _section_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    *_, sections = [model], *(types for types, _ in _walk(model, location))
    return sections[0] if len(sections) == 1 else None


def _visible(location: tuple[int | str, ...], model: type[BaseModel]) -> list[int | str]:
    return [part for part, (_, shown) in zip(location, _walk(model, location), strict=True) if shown]
