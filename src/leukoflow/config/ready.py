"""Ready descriptions of public cohorts, in `entries/*.yaml`, that a study names: `cohorts: {pbc: {entry: pbc}}`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from leukoflow.config.base import Name, Section
from leukoflow.config.cohorts import Cohort
from leukoflow.config.errors import explain, nearest
from leukoflow.core.errors import LeukoFlowError

FOLDER = Path(__file__).parent / "entries"


class Entries(Section):
    """The ready entries of one file."""

    cohorts: dict[Name, Cohort]
    """Descriptions by name."""


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Every ready entry as it is written, by its name. Raises LeukoFlowError: which file, which key, what is wrong."""
    known: dict[str, dict[str, Any]] = {}
    for path in sorted(FOLDER.glob("*.yaml")):
        described = read_entries(path)
        for name in sorted(known.keys() & described.keys()):
            raise LeukoFlowError(f"{path}: entry {name!r} is described in another file too; remove or rename one")
        known |= described
    return known


def read_entries(path: Path) -> dict[str, dict[str, Any]]:
    """The entries of one file as they are written. Raises LeukoFlowError if the file or an entry is not valid."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        Entries.model_validate({"cohorts": content})
    except ValidationError as error:
        raise LeukoFlowError(f"{path}: {explain(error, Entries)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LeukoFlowError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())})") from error
    return content


def with_entries(config: Mapping[str, Any], source: str = "config") -> dict[str, Any]:
    """The config with the entries that its cohorts name written out.

    A key that the study gives replaces the entry's whole value, nested keys included. What else is wrong is left for
    validation. Raises LeukoFlowError: an entry that is not known, or a `kind` that is not the entry's.
    """
    cohorts = config.get("cohorts")
    if not isinstance(cohorts, Mapping):
        return dict(config)
    written = {name: _written_out(cohort, f"{source}: cohorts.{name}") for name, cohort in cohorts.items()}
    return {**config, "cohorts": written}


def _written_out(cohort: Any, where: str) -> Any:
    if not isinstance(cohort, Mapping) or "entry" not in cohort:
        return cohort
    name, changes = cohort["entry"], {key: value for key, value in cohort.items() if key != "entry"}
    if not isinstance(name, str) or name not in entries():
        raise LeukoFlowError(f"{where}.entry: {name!r} is not a ready entry{nearest(str(name), entries())}")
    entry = entries()[name]
    if changes.get("kind", entry["kind"]) != entry["kind"]:
        raise LeukoFlowError(
            f"{where}.kind: the entry {name!r} is of kind {entry['kind']!r}, not {changes['kind']!r}; "
            "leave kind out, or describe the cohort without entry"
        )
    return entry | changes
