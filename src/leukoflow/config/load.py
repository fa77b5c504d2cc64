"""Reading a study and saying what is wrong with it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from leukoflow.config.cohorts import unset
from leukoflow.config.errors import explain
from leukoflow.config.protocols import with_ready
from leukoflow.config.ready import with_entries
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError


def parse_study(config: Mapping[str, Any], source: str = "config") -> Study:
    """Validate a config mapping, with its ready entries written out (`ready.with_entries`, `protocols.with_ready`) and
    without optional cohorts that are not there (`without_absent`).

    Raises LeukoFlowError: which key, what is wrong, the nearest right key.
    """
    try:
        return Study.model_validate(without_absent(with_ready(with_entries(config, source), source)))
    except ValidationError as error:
        raise LeukoFlowError(f"{source}: {explain(error, Study)}") from error


def refuse_repeated(path: str | Path) -> None:
    """Raise LeukoFlowError if a mapping of a YAML file has a key twice: readers keep the last one and say nothing.

    Files that are no YAML are left to who reads them.
    """
    try:
        pending = [yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)]
    except (OSError, ValueError, yaml.YAMLError):
        return
    while pending:
        node = pending.pop()
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
        if isinstance(node, yaml.MappingNode):
            known: set[tuple[str, str]] = set()
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode) and key.tag != MERGE:
                    if (key.tag, key.value) in known:
                        raise LeukoFlowError(
                            f"{path}, line {key.start_mark.line + 1}: {key.value} stands twice in its section; keep one"
                        )
                    known.add((key.tag, key.value))
                pending.append(value)


MERGE = "tag:yaml.org,2002:merge"


def load_study(path: str | Path) -> Study:
    """Read and validate a study file (YAML)."""
    refuse_repeated(path)
    try:
        config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise LeukoFlowError(f"{path}: cannot be read as YAML ({error})") from error
    if not isinstance(config, dict):
        raise LeukoFlowError(f"{path}: holds no keys; start from config.yaml")
    return parse_study(config, str(path))


def without_absent(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config without these cohorts among external cohorts and sources of masks; their entries say `left_out`.

    A segmenter with fewer than two sources left is not trained without each of them in turn, and it is not adapted to a
    cohort that is absent. A cohort that an
    experiment is trained on stays: the folder that is missing is then an error.
    """
    cohorts, experiments, segmentation = (config.get(name) for name in ("cohorts", "experiments", "segmentation"))
    if not isinstance(cohorts, dict) or not isinstance(experiments, dict):
        return dict(config)
    # Lists, for what is not yet validated may have no hash.
    trained = [experiment.get("cohort") for experiment in experiments.values() if isinstance(experiment, dict)]
    absent = [name for name, cohort in cohorts.items() if _is_absent(cohort) and name not in trained]
    if not absent:
        return dict(config)
    changed: dict[str, Any] = dict(config)
    changed["cohorts"] = {
        name: {**cohort, "left_out": True} if name in absent else _without(cohort, "cohorts", absent)
        for name, cohort in cohorts.items()
    }
    changed["experiments"] = {
        name: _without(experiment, "external", absent) for name, experiment in experiments.items()
    }
    if isinstance(segmentation, dict):
        left = _without(segmentation, "sources", absent)
        few = left.get("leave_one_out") and len(left.get("sources") or ()) < 2
        adapt = left.get("adapt")
        if isinstance(adapt, dict) and adapt.get("cohort") in absent:
            left = {**left, "adapt": None}
        changed["segmentation"] = {**left, "leave_one_out": False} if few else left
    return changed


def _is_absent(cohort: Any) -> bool:
    if not isinstance(cohort, dict) or cohort.get("optional") is not True:
        return False
    return isinstance(cohort.get("root"), str) and bool(unset(cohort["root"]))


def _without(section: Any, key: str, names: list[str]) -> Any:
    if not isinstance(section, dict) or not isinstance(section.get(key), (list, tuple)):
        return section
    return {**section, key: [name for name in section[key] if name not in names]}
