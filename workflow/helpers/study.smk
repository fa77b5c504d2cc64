# What all rules share: the study, the source that steps run from, fingerprints, resources.
import dataclasses
import functools
import hashlib
import json
import re
import shlex
import shutil
import sys
from pathlib import Path

SOURCE = os.path.abspath(os.path.join(workflow.basedir, "..", "src"))
if not os.path.isdir(SOURCE):
    SOURCE = os.path.abspath(os.path.join(workflow.basedir, "src"))
# Steps run from this clone's source, whatever is installed, so that fingerprints are those of the code that runs.
sys.path.insert(0, SOURCE)
for sign in set("{}:\n") & set(SOURCE):
    raise WorkflowError(
        f"{SOURCE!r}: Snakemake cannot run from a folder with {sign!r} in its name; rename it or move the clone"
    )
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={shlex.quote(SOURCE)}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)

from leukoflow.cohorts.roots import local_root, resolve_root
from leukoflow.cohorts.watch import ACCOUNT, LISTING, MASKS, Cohort, keep, marks
from leukoflow.config.load import parse_study, refuse_repeated
from leukoflow.core.errors import LeukoFlowError
from leukoflow.config.paper_figures import paper_figures
from leukoflow.config.plan import (
    drawn_view,
    file_words,
    partners_of,
    runs_of,
    stain_name,
    words_of,
)
from leukoflow.config.views import CohortStain
from leukoflow.config.weights import FETCHED
from leukoflow.core.content import known_digest
from leukoflow.core.files import tree_digest
from leukoflow.core.fingerprint import fingerprint, libraries, use_memory
from leukoflow.core.runs import is_baseline, parse_run
from leukoflow.core.shards import shard_count
from leukoflow.models.registry import module_name
from leukoflow.outputs.figures import caption_of, figures_of, matrices_of, settings_of
from leukoflow.outputs.plan import PARTS, Plan, panel_of
from leukoflow.outputs.sections import TITLES
from leukoflow.outputs.tables import PARTS_OF, SPECS, tables_of


def stop_with_one_line(function, *arguments):
    """Call a function; a LeukoFlowError ends the workflow with its one line instead of a traceback."""
    try:
        return function(*arguments)
    except LeukoFlowError as error:
        raise WorkflowError(str(error)) from None


for file in workflow.configfiles:
    stop_with_one_line(refuse_repeated, file)
STUDY = stop_with_one_line(parse_study, config)
RESULTS = f"results/{STUDY.study}"
USED_COHORTS = sorted(
    {
        name
        for experiment in STUDY.experiments.values()
        for cohort in (experiment.cohort, *experiment.external)
        for name in (cohort, *STUDY.laboratories(cohort))
    }
    | set(STUDY.segmentation.sources)
    | {
        view.target.cohort
        for view in STUDY.views.values()
        if isinstance(view.target, CohortStain)
    }
    | ({STUDY.segmentation.adapt.cohort} if STUDY.segmentation.adapt else set())
)
if workflow.is_main_process:
    for name, cohort in STUDY.cohorts.items():
        if cohort.kind == "folder" and cohort.left_out:
            logger.warning(
                f"Cohort {name} is left out: its folder {cohort.root} names an environment variable that is not set."
            )
SYNTHETIC = [name for name in USED_COHORTS if STUDY.cohorts[name].kind == "synthetic"]
POOLED = [name for name in USED_COHORTS if STUDY.cohorts[name].kind == "pooled"]
# Cohorts with images of their own.
MEASURED = [name for name in USED_COHORTS if name not in POOLED]
for model in STUDY.models.values():
    stop_with_one_line(module_name, model.architecture)


# The profile's GPU limit is for machines with a GPU; elsewhere the cores alone limit how many jobs train at once.
if shutil.which("nvidia-smi") is None:
    workflow.register_resource("gpu", 1000)


def any_of(names):
    """A wildcard constraint: one of the names, or nothing at all if there are none."""
    return "|".join(sorted(names)) or "(?!)"


use_memory(Path(".snakemake/leukoflow/modules.json"))


@functools.cache
def code_of(*modules):
    """Fingerprint of what a step runs, such as code_of("steps.train", "models.neurallnet")."""
    return fingerprint(*(f"leukoflow.{module}" for module in modules))


def data_digest(*folders):
    """Digest of a folder of the package that holds no Python, and so is in no fingerprint."""
    return tree_digest(os.path.join(SOURCE, "leukoflow", *folders))


def needs(megabytes, minutes):
    """Memory and time of a job; both grow with every attempt."""

    def memory(wildcards, attempt):
        return megabytes * attempt

    def time(wildcards, attempt):
        return minutes * attempt

    return {"mem_mb": memory, "runtime": time}


def option(name, files):
    """A params function: files as the step's option of that name, if there are any."""

    def text(wildcards):
        known = files(wildcards)
        return f"{name} {' '.join(known)}" if known else ""

    return text


def evaluation_settings(*names):
    """Section evaluation with these of its parts: a change of the others concerns nobody who asks."""
    shared = {"resamples", "interval", "confidence", "seed"}
    return STUDY.evaluation.model_dump_json(include=shared | set(names))
