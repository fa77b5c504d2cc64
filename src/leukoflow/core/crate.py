"""Results with the workflow that made them, as one archive that other tools read: a Workflow Run RO-Crate.

The profile (Leo et al. 2024, doi:10.1371/journal.pone.0309210; https://w3id.org/ro/wfrun/workflow/0.6) describes in
`ro-crate-metadata.json` the workflow, the run, what went into it and what came out of it.
"""

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rocrate.model.contextentity import ContextEntity
from rocrate.model.file import File
from rocrate.rocrate import ROCrate

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_json
from leukoflow.core.provenance import NAME, code_digest, verify

PROFILES = {"process": "Process Run Crate", "workflow": "Workflow Run Crate"}
TERMS = "https://w3id.org/ro/terms/workflow-run/context"
MAIN = "Snakefile"
CODE = ("workflow", "src/leukoflow", "envs", "pyproject.toml", "constraints.txt", "LICENSE")
KEPT = {".csv", ".html", ".json", ".md", ".onnx", ".parquet", ".safetensors", ".svg"}
"""Of the results. Images, and arrays of them, are not to be passed on by a slip of the hand."""


def write_crate(results: Path, source: Path, target: Path) -> int:
    """Write a study's results and workflow as a zip; returns how many of the results are in it.

    results: folder of a finished study; source: folder of the project, with its Snakefile. Report, tables, figures,
    weights, predictions and splits are in the archive, images and arrays made of them are not. LeukoFlowError if a
    result or the code is not as it was when the study ran.
    """
    changed = verify(results)
    if changed:
        raise LeukoFlowError(
            f"{results}: {len(changed)} files are not as the study left them; see leukoflow verify, or run it again"
        )
    if not (source / MAIN).is_file():
        raise LeukoFlowError(f"{source}: holds no {MAIN}; run this from a clone of the project")
    record = read_json(results / NAME)
    if record["code_digest"] != code_digest(source / "src"):
        raise LeukoFlowError(f"{results}: the code has changed since it made them; go back to it, or run again")
    kept = [path for path in record["files"] if path.startswith("figures/") or Path(path).suffix in KEPT]
    crate = _crate(results, source, record, kept)
    with atomic(target) as temporary:
        crate.write_zip(temporary)
    return len(kept)


def _crate(results: Path, source: Path, record: Mapping[str, Any], kept: list[str]) -> ROCrate:
    crate = ROCrate()
    crate.metadata.extra_contexts.append(TERMS)
    crate.name = f"LeukoFlow study {record['study']}"
    crate.description = "Results of a study and the workflow that made them, without its images. Research use only."
    licence = {"@type": "CreativeWork", "name": "MIT License"}
    crate.license = crate.add(ContextEntity(crate, "https://spdx.org/licenses/MIT", licence))
    properties = {"name": "LeukoFlow", "version": record["code_digest"]}
    version = record["packages"].get("snakemake")
    workflow = crate.add_workflow(
        source / MAIN, MAIN, main=True, lang="snakemake", lang_version=version, properties=properties
    )
    for path in _code(source):
        crate.add_file(path, path.relative_to(source).as_posix())
    files = {path: _file(crate, results, path, {"sha256": record["files"][path]}) for path in kept}
    files[NAME] = _file(crate, results, NAME, {})
    study = files.pop("study.json")
    run = {
        "name": f"Run of study {record['study']}",
        "startTime": record["started"],
        "endTime": record["finished"],
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }
    cohorts = [_cohort(crate, name, facts) for name, facts in record["cohorts"].items()]
    identifier = f"#run-{record['config_sha256'][:12]}"
    action = crate.add_action(workflow, identifier, [study, *cohorts], list(files.values()), run)
    crate.root_dataset["mentions"] = [action]
    for kind, name in PROFILES.items():
        profile = {"@type": "CreativeWork", "name": name, "version": "0.6"}
        entity = crate.add(ContextEntity(crate, f"https://w3id.org/ro/wfrun/{kind}/0.6", profile))
        crate.root_dataset.append_to("conformsTo", entity)
    return crate


def _code(source: Path) -> list[Path]:
    """The project's own files next to the Snakefile."""
    paths = [path for part in CODE for path in sorted((source / part).rglob("*")) or [source / part]]
    return [path for path in paths if path.is_file() and "__pycache__" not in path.parts]


def _file(crate: ROCrate, results: Path, path: str, properties: Mapping[str, Any]) -> File:
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    facts = {"encodingFormat": kind, "contentSize": str((results / path).stat().st_size), **properties}
    return crate.add_file(results / path, f"results/{path}", properties=facts)


def _cohort(crate: ROCrate, name: str, facts: Mapping[str, Any]) -> ContextEntity:
    """What is known of images that are not in the archive: how many, and the digest over their contents."""
    words = {"@type": "PropertyValue", "name": f"cohort {name}", "value": facts["sha256"]}
    words["description"] = f"SHA-256 over names and contents of {facts['images']} images"
    return crate.add(ContextEntity(crate, f"#cohort-{name}", words))
