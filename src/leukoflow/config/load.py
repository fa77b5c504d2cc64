"""Reading a study and saying what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from leukoflow.config.absent import without_absent
from leukoflow.config.errors import explain
from leukoflow.config.ready import with_entries
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError


def parse_study(config: Mapping[str, Any], source: str = "config") -> Study:
    """Validate a config mapping, with its ready entries written out (`ready.with_entries`) and without optional cohorts
    that are not there (`absent.without_absent`).

    Raises LeukoFlowError: which key, what is wrong, the nearest right key.
    """
    try:
        return Study.model_validate(without_absent(with_entries(config, source)))
    except ValidationError as error:
        raise LeukoFlowError(f"{source}: {explain(error, Study)}") from error


def load_study(path: str | Path) -> Study:
    """Read and validate a study file (YAML)."""
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LeukoFlowError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(config, dict):
        raise LeukoFlowError(f"{path}: holds no keys; start from config.yaml")
    return parse_study(config, str(path))
