"""The JSON schema and the reference page of the config, made from its models.

`python -m leukoflow.config.reference` writes `config/schema.json` and `config/README.md`.
"""

import json
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from leukoflow.config.errors import members
from leukoflow.config.protocols import ready
from leukoflow.config.ready import entries
from leukoflow.config.study import Study
from leukoflow.core.files import write_text

FOLDER = Path(__file__).resolve().parents[3] / "config"
_READY = """## Ready entries

Public cohorts are described in `src/leukoflow/config/entries`. A study takes a description by its name:

```yaml
cohorts:
  taleqani: {entry: taleqani}
  part: {entry: taleqani, images: 2609, masks: null}
```

A key given with `entry` replaces the entry's value as a whole, nested keys included; `masks: null` omits the masks.
`kind` is the entry's and cannot be changed.

| entry | kind | images | citation |
| --- | --- | --- | --- |"""
_READY_PROTOCOLS = """## Ready protocols

How each published system divided its images, from `src/leukoflow/config/protocols.yaml`. An experiment lists a name
among its `protocols`; section `protocols` makes other forms of one: `hmscam_seed7: {entry: hmscam, seed: 7}`. Those
whose names begin with `leaky_` have leaks on purpose. [docs/protocols.md](../docs/protocols.md) has their
sources.

| protocol | keys |
| --- | --- |"""
_LIMITS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


def schema() -> str:
    """The JSON schema of a study file."""
    made = Study.model_json_schema()
    made["$defs"]["ReadyCohort"] = _ready_cohort(made["$defs"])
    ((pattern, described),) = made["properties"]["cohorts"]["patternProperties"].items()
    either = {"anyOf": [{"$ref": "#/$defs/ReadyCohort"}, described]}
    made["properties"]["cohorts"]["patternProperties"][pattern] = either
    ((pattern, described),) = made["properties"]["protocols"]["patternProperties"].items()
    either = {"anyOf": [_ready_protocol(made["$defs"]), described]}
    made["properties"]["protocols"]["patternProperties"][pattern] = either
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def _ready_cohort(sections: dict[str, Any]) -> dict[str, Any]:
    """Schema of a cohort that names a ready entry: no model, for the entry is written out before models are made."""
    keys = {"entry": {"description": "Name of a ready entry.", "enum": sorted(entries()), "type": "string"}}
    for name in ("FolderCohort", "DownloadCohort"):
        keys |= {key: {"$ref": f"#/$defs/{name}/properties/{key}"} for key in sections[name]["properties"]}
    del keys["kind"], keys["left_out"]
    described = "A ready entry; every other key replaces the entry's whole value."
    made = {"type": "object", "title": "ReadyCohort", "description": described}
    return made | {"properties": keys, "required": ["entry"], "additionalProperties": False}


def _ready_protocol(sections: dict[str, Any]) -> dict[str, Any]:
    """Schema of a protocol that names a ready one."""
    keys: dict[str, Any] = {"entry": {"description": "Name of a ready protocol.", "enum": list(ready())}}
    keys |= {key: {"$ref": f"#/$defs/Division/properties/{key}"} for key in sections["Division"]["properties"]}
    return {"type": "object", "properties": keys, "required": ["entry"], "additionalProperties": False}


def page() -> str:
    """The reference page, Markdown: every section and key with its type, range, default and meaning."""
    parts = [
        "# Configuration",
        "",
        "A study is one YAML file: `config.yaml` is the default one, others are in `workflow/studies`, and",
        "`snakemake --cores 8 --configfile my_study.yaml` runs yours. Unknown keys are errors. Editors that speak JSON",
        "schema complete and check the keys with `config/schema.json`. This page is made from the code by `make docs`.",
        "",
    ]
    for section in _sections(Study, []):
        parts += _section(section)
    return "\n".join([*parts, *_ready_entries(), *_ready_protocols()])


def _sections(model: type[BaseModel], seen: list[type[BaseModel]]) -> list[type[BaseModel]]:
    """All sections in the order in which a reader meets them."""
    if model not in seen:
        seen.append(model)
        for field in model.model_fields.values():
            for member in members(field.annotation):
                _sections(member, seen)
    return seen


def _section(model: type[BaseModel]) -> list[str]:
    lines = [f"## {model.__name__}", "", " ".join((model.__doc__ or "").split()), ""]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        meaning = " ".join((field.description or "").split())
        cells = (f"`{name}`", _type(field.annotation) + _range(field), _default(field), meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _ready_entries() -> list[str]:
    rows = [
        (f"`{name}`", entry["kind"], f"{entry['images']:,}", entry["citation"]) for name, entry in entries().items()
    ]
    return [*_READY.splitlines(), *("| " + " | ".join(row) + " |" for row in rows), ""]


def _ready_protocols() -> list[str]:
    rows = []
    for name, division in ready().items():
        keys = division.model_dump(mode="json", exclude_unset=True)
        rows.append(f"| `{name}` | `{json.dumps(keys)[1:-1]}` |")
    return [*_READY_PROTOCOLS.splitlines(), *rows, ""]


def _type(annotation: Any) -> str:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is dict:
        return f"mapping of name to {_type(parts[1])}"
    if origin in (tuple, list):
        whole = [part for part in parts if part is not ...]
        return f"list of {_type(whole[0])}" if len(whole) == 1 else f"list of {len(whole)} {_type(whole[0])}"
    if origin in (Union, UnionType):
        return " or ".join(_type(part) for part in parts)
    if getattr(origin, "__name__", "") == "Literal" or str(origin) == "typing.Literal":
        return " or ".join(f"`{part}`" for part in parts)
    if hasattr(annotation, "__metadata__"):
        return _type(annotation.__origin__)
    if annotation is Any:
        return "a value of the key"
    if annotation is type(None):
        return "nothing"
    return {"str": "text", "int": "whole number", "float": "number", "bool": "true or false"}[annotation.__name__]


def _range(field: FieldInfo) -> str:
    limits = [
        f"{words} {getattr(constraint, limit)}"
        for constraint in field.metadata
        for limit, words in _LIMITS.items()
        if getattr(constraint, limit, None) is not None
    ]
    return f", {', '.join(limits)}" if limits else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, tuple):
        value = list(value)
    return f"`{json.dumps(value, ensure_ascii=False)}`"


def main() -> None:
    """Write both files."""
    write_text(FOLDER / "schema.json", schema())
    write_text(FOLDER / "README.md", page())


if __name__ == "__main__":
    main()
