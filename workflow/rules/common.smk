# Helpers of the rules: what the study asks for, where files are, what a step depends on.
import dataclasses
import functools
import json
import shutil
import sys

SOURCE = os.path.abspath(os.path.join(workflow.basedir, "..", "src"))
if not os.path.isdir(SOURCE):
    SOURCE = os.path.abspath(os.path.join(workflow.basedir, "src"))
# Steps run from this clone's source, whatever is installed, so that fingerprints are those of the code that runs.
sys.path.insert(0, SOURCE)
shell.prefix(
    f"set -euo pipefail; export PYTHONPATH={SOURCE}${{{{PYTHONPATH:+:$PYTHONPATH}}}}; "
)

from leukoflow.cohorts.roots import local_root, resolve_root
from leukoflow.config.families import families
from leukoflow.config.load import parse_study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.config.plan import all_runs
from leukoflow.core.files import tree_digest, tree_state
from leukoflow.core.fingerprint import fingerprint
from leukoflow.core.runs import is_baseline, parse_run
from leukoflow.core.shards import shard_count
from leukoflow.models.registry import module_name


def stop_with_one_line(function, *arguments):
    """Call a function; a LeukoFlowError ends the workflow with its one line instead of a traceback."""
    try:
        return function(*arguments)
    except LeukoFlowError as error:
        raise WorkflowError(str(error)) from None


STUDY = stop_with_one_line(parse_study, config)
RESULTS = f"results/{STUDY.study}"
USED_COHORTS = sorted(
    {
        name
        for each in STUDY.experiments.values()
        for name in (each.cohort, *each.external)
    }
    | set(STUDY.segmentation.sources)
)
SYNTHETIC = [name for name in USED_COHORTS if STUDY.cohorts[name].kind == "synthetic"]
for each in STUDY.models.values():
    stop_with_one_line(module_name, each.architecture)


# The profile's GPU limit is for machines with a GPU; elsewhere the cores alone limit how many jobs train at once.
if shutil.which("nvidia-smi") is None:
    workflow.register_resource("gpu", 1000)


def any_of(names):
    """A wildcard constraint: one of the names, or nothing at all where there are none."""
    return "|".join(sorted(names)) or "(?!)"


@functools.cache
def code_of(*modules):
    """Fingerprint of what a step runs, such as code_of("steps.train", "models.neurallnet")."""
    return fingerprint(*(f"leukoflow.{module}" for module in modules))


def grows(base):
    """A resource that grows with every attempt."""

    def amount(wildcards, attempt):
        return base * attempt

    return amount


# Cohorts ---------------------------------------------------------------------------------------------------------


def cohort_settings(wildcards):
    return STUDY.cohorts[wildcards.cohort].model_dump_json()


def max_pixels(wildcards):
    return getattr(STUDY.cohorts[wildcards.cohort], "max_pixels", 100_000_000)


def root_of(name):
    """Folder that a cohort's paths are relative to."""
    cohort = STUDY.cohorts[name]
    if cohort.kind == "synthetic":
        return f"{RESULTS}/cohorts/{name}"
    if cohort.kind == "folder":
        return str(stop_with_one_line(resolve_root, cohort.root))
    local = stop_with_one_line(local_root, cohort)
    return str(local) if local else f"resources/{name}/files"


# Looked up at once, so that a missing folder is told before anything runs.
ROOTS = {name: root_of(name) for name in USED_COHORTS}


def cohort_root(wildcards):
    return ROOTS[wildcards.cohort]


def is_downloaded(name):
    return STUDY.cohorts[name].kind == "download" and ROOTS[name].startswith(
        "resources/"
    )


def download_contents(wildcards):
    """The list of unpacked files, where a cohort is downloaded at all."""
    return (
        [f"resources/{wildcards.cohort}/contents.csv"]
        if is_downloaded(wildcards.cohort)
        else []
    )


def table_file(wildcards):
    """The CSV table of a cohort that has one, where it is there before the run."""
    table = getattr(STUDY.cohorts[wildcards.cohort], "table", None)
    if table is None or is_downloaded(wildcards.cohort):
        return []
    return [os.path.join(cohort_root(wildcards), table)]


def folder_state(wildcards):
    """Digest over the folders of a tree of images and their times: new or removed images are noticed."""
    if is_downloaded(wildcards.cohort):
        return "downloaded"
    folder = STUDY.cohorts[wildcards.cohort].folder
    return stop_with_one_line(tree_state, os.path.join(cohort_root(wildcards), folder))


def expected_digest(wildcards):
    """sha256 that a downloaded archive must have: the pinned one, or the one recorded when it was fetched."""
    pinned = STUDY.cohorts[wildcards.cohort].sha256
    if pinned:
        return pinned
    with open(f"resources/{wildcards.cohort}/archive.sha256") as stream:
        return stream.read().split()[0]


def lookup_url(wildcards):
    return STUDY.cohorts[wildcards.cohort].url


def contents_option(wildcards):
    files = download_contents(wildcards)
    return f"--contents {files[0]}" if files else ""


def archive_digest_option(wildcards):
    pinned = STUDY.cohorts[wildcards.cohort].sha256
    return f"--sha256 {pinned}" if pinned else ""


def scale_option(wildcards):
    known = getattr(STUDY.cohorts[wildcards.cohort], "um_per_pixel", None)
    return f"--um-per-pixel {known}" if known else ""


# Shards ----------------------------------------------------------------------------------------------------------


def shards_of(name):
    return shard_count(STUDY.cohorts[name].images)


def cohort_shards(wildcards):
    return shards_of(wildcards.cohort)


def shard_names(name):
    return [f"{shard:03d}" for shard in range(shards_of(name))]


def shard_number(wildcards):
    return int(wildcards.shard)


def listing_of_shard(wildcards):
    """What a shard's images are read from: the drawn shard itself, or the cohort's listing."""
    name = f"drawn/{wildcards.shard}" if wildcards.cohort in SYNTHETIC else "listing"
    return f"{RESULTS}/cohorts/{wildcards.cohort}/{name}.parquet"


def is_whole(wildcards):
    return "--whole" if wildcards.cohort in SYNTHETIC else ""


def cohort_files(names, pattern):
    """Files of each shard of the named cohorts."""
    return [
        f"{RESULTS}/cohorts/{name}/{pattern.format(shard=shard)}"
        for name in names
        for shard in shard_names(name)
    ]


def relate_options(wildcards):
    return " ".join(
        f"--cohort {name} {RESULTS}/cohorts/{name} {shards_of(name)}"
        for name in USED_COHORTS
    )


def measured_files(wildcards):
    return cohort_files([wildcards.cohort], "measured/{shard}.parquet")


def shard_images(wildcards):
    return [
        f"{view_folder(wildcards.cohort, wildcards.view)}/{shard}.npy"
        for shard in shard_names(wildcards.cohort)
    ]


def shard_indices(wildcards):
    return [file.replace(".npy", ".parquet") for file in shard_images(wildcards)]


def view_folder(cohort, view):
    return f"{RESULTS}/views/{cohort}.{view}"


# Cells -----------------------------------------------------------------------------------------------------------

SOURCES = STUDY.segmentation.sources
# Cohorts that come with masks of their own making, no expert's.
ARCHIVES = [
    name
    for name in USED_COHORTS
    if STUDY.cohorts[name].masks and not STUDY.cohorts[name].masks.expert
]
SEGMENTERS = ["all"]
if STUDY.segmentation.leave_one_out:
    SEGMENTERS += [f"without_{name}" for name in SOURCES]
MASK_FILES = ("images.npy", "parts.npy", "labels.npy", "index.parquet")
# Views that are rendered with the label maps.
CELL_VIEWS = [
    name
    for name, view in STUDY.views.items()
    if view.kind in ("background", "masked", "cells")
]


def annotation_settings(wildcards):
    given = STUDY.segmentation
    masks = STUDY.cohorts[wildcards.cohort].masks.model_dump_json()
    splits = f'{{"test":{given.test},"validation":{given.validation},"seed":{given.training.seed}}}'
    size = given.size_of(wildcards.cohort)
    return f'{{"masks":{masks},"splits":{splits},"images":{given.images_per_source},"size":{size}}}'


def segmentation_settings(wildcards):
    return STUDY.segmentation.model_dump_json()


def scoring_settings(wildcards):
    evaluation = STUDY.evaluation.model_dump_json()
    return f'{{"segmentation":{STUDY.segmentation.model_dump_json()},"evaluation":{evaluation}}}'


def segmented_size(wildcards):
    return STUDY.segmentation.size_of(wildcards.cohort)


def segmenter_gpu():
    """Thresholds need none."""
    return 1 if STUDY.segmentation.method == "unet" else 0


def learnt_from(segmenter):
    """The sources that a segmenter learns from: all, or all but one."""
    return [name for name in SOURCES if segmenter != f"without_{name}"]


def scored_on(segmenter):
    """The sources that a segmenter is held against: all, or the one that it did not see."""
    if segmenter == "all":
        return list(SOURCES)
    return [name for name in SOURCES if segmenter == f"without_{name}"]


def mask_files(names):
    return [f"{RESULTS}/masks/{name}/{file}" for name in names for file in MASK_FILES]


def mask_folders(names):
    return " ".join(f"{RESULTS}/masks/{name}" for name in names)


def learnt_sources(wildcards):
    return mask_files(learnt_from(wildcards.segmenter))


def learnt_folders(wildcards):
    return mask_folders(learnt_from(wildcards.segmenter))


def scored_sources(wildcards):
    archives = ARCHIVES if wildcards.segmenter == "all" else []
    return mask_files([*scored_on(wildcards.segmenter), *archives])


def scored_folders(wildcards):
    options = f"--sources {mask_folders(scored_on(wildcards.segmenter))}"
    if wildcards.segmenter == "all" and ARCHIVES:
        options += f" --archives {mask_folders(ARCHIVES)}"
    return options


def label_files(cohort):
    return [f"{RESULTS}/cells/{cohort}/{shard}.npy" for shard in shard_names(cohort)]


def measured_cells(wildcards):
    return [
        f"{RESULTS}/cells/{wildcards.cohort}/measured/{shard}.parquet"
        for shard in shard_names(wildcards.cohort)
    ]


def labels_of_view(wildcards):
    """The label maps of a shard, where its view needs them."""
    if wildcards.view not in CELL_VIEWS:
        return []
    return [f"{RESULTS}/cells/{wildcards.cohort}/{wildcards.shard}.npy"]


def labels_option(wildcards):
    files = labels_of_view(wildcards)
    return f"--labels {files[0]}" if files else ""


# Features --------------------------------------------------------------------------------------------------------

MORPHOLOGY = [
    name for name, each in STUDY.features.items() if each.kind == "morphology"
]
DEEP = [name for name in STUDY.features if name not in MORPHOLOGY]
EXTRACTION = {"kind", "backbones", "grid", "batch_size", "seed"}


def weights_name(backbone):
    """Name of the file in resources/weights for weights from a hub, hub:REPOSITORY@REVISION."""
    repository, _, revision = backbone.weights.removeprefix("hub:").partition("@")
    if not repository or not revision:
        raise WorkflowError(
            f"features: weights {backbone.weights}: write them as hub:REPOSITORY@REVISION"
        )
    return "".join(
        each if each.isalnum() or each in "._-" else "-"
        for each in f"{repository}@{revision}"
    )


BACKBONES = [
    each
    for name in DEEP
    for each in STUDY.features[name].backbones
    if each.weights is not None
]
HUB = {
    weights_name(each): each for each in BACKBONES if each.weights.startswith("hub:")
}


def weights_file(backbone):
    """The file of a network's weights: one that is downloaded, or one that is there."""
    if backbone.weights.startswith("hub:"):
        return f"resources/weights/{weights_name(backbone)}.safetensors"
    file = os.path.expanduser(os.path.expandvars(backbone.weights))
    if not os.path.isfile(file):
        raise WorkflowError(
            f"features: weights {backbone.weights}: there is no such file; give a safetensors file"
        )
    return file


# Looked up at once, so that a missing file is told before anything runs.
WEIGHTS = {each: weights_file(each) for each in BACKBONES}


def weights_source(wildcards):
    return HUB[wildcards.weights].weights


def weights_digest(wildcards):
    """sha256 that downloaded weights must have: the pinned one, or the one recorded when they were fetched."""
    pinned = HUB[wildcards.weights].sha256
    if pinned:
        return pinned
    with open(f"resources/weights/{wildcards.weights}.safetensors.sha256") as stream:
        return stream.read().split()[0]


def weights_digest_option(wildcards):
    pinned = HUB[wildcards.weights].sha256
    return f"--sha256 {pinned}" if pinned else ""


def weights_of_features(wildcards):
    return [
        WEIGHTS[each]
        for each in STUDY.features[wildcards.features].backbones
        if each.weights is not None
    ]


def extraction_of(name):
    """What an entry of section features extracts, whatever it makes of it afterwards."""
    return STUDY.features[name].model_dump_json(include=EXTRACTION)


def extraction_settings(wildcards):
    return extraction_of(wildcards.features)


def matrix_folder(cohort, view, name):
    """Folder of extracted features; entries that differ only in stack and selection share the first one's."""
    same = [
        each for each in STUDY.features if extraction_of(each) == extraction_of(name)
    ]
    return f"{RESULTS}/features/{cohort}.{view}.{same[0]}"


def shard_features(wildcards):
    w = wildcards
    folder = f"{RESULTS}/features/{w.cohort}.{w.view}.{w.features}"
    return [f"{folder}/{shard}.json" for shard in shard_names(w.cohort)]


def own_matrix(wildcards):
    w = wildcards
    return f"{matrix_folder(w.cohort, w.view, w.features)}/matrix.json"


def target_matrix(wildcards):
    w = wildcards
    return f"{matrix_folder(w.target, w.view, w.features)}/matrix.json"


def features_settings(wildcards):
    features = STUDY.features[wildcards.features].model_dump_json()
    return f'{{"name":"{wildcards.features}","features":{features}}}'


def stack_gpu(wildcards):
    """A GPU where there is a fusion stack."""
    features = STUDY.features[wildcards.features]
    return int(features.kind == "deep" and features.stack != "none")


def selection_folder(wildcards):
    """Folder of the features that a run's model reads: scaled and ranked on the run's training role."""
    w = wildcards
    name = STUDY.models[w.model].features
    run = f"{w.cohort}.{w.task}.{w.view}.{w.protocol}.{name}.fold{w.fold}.seed{w.seed}"
    return f"{RESULTS}/selections/{run}"


def model_inputs(wildcards, cohort):
    """What a model reads of a cohort: the summary of the view, or the values of ranked features and their ranking."""
    if STUDY.models[wildcards.model].features is None:
        return [f"{view_folder(cohort, wildcards.view)}/view.json"]
    names = (f"scaled/{cohort}.npy", "ranking.csv", "features.json")
    return [f"{selection_folder(wildcards)}/{name}" for name in names]


def own_inputs(wildcards):
    return model_inputs(wildcards, wildcards.cohort)


def target_inputs(wildcards):
    return model_inputs(wildcards, wildcards.target)


def inputs_option(wildcards, cohort):
    images = STUDY.models[wildcards.model].features is None
    return f"--{'view' if images else 'features'} {model_inputs(wildcards, cohort)[0]}"


def own_inputs_option(wildcards):
    return inputs_option(wildcards, wildcards.cohort)


def target_inputs_option(wildcards):
    return inputs_option(wildcards, wildcards.target)


# Runs ------------------------------------------------------------------------------------------------------------


def view_settings(wildcards):
    return STUDY.views[wildcards.view].model_dump_json()


def model_settings(wildcards):
    return STUDY.models[wildcards.model].model_dump_json()


def task_settings(wildcards):
    return STUDY.tasks[wildcards.task].model_dump_json()


def split_settings(wildcards):
    task, splits = STUDY.tasks[wildcards.task], STUDY.splits
    return f'{{"task":{task.model_dump_json()},"splits":{splits.model_dump_json()}}}'


def whole_study(wildcards):
    return STUDY.model_dump_json()


def class_names(wildcards):
    return list(STUDY.tasks[wildcards.task].classes)


def rows_to_predict(wildcards):
    """Validation and test rows of the training cohort's split, or all rows of another cohort."""
    if wildcards.target == wildcards.cohort:
        return f"--split {RESULTS}/splits/{wildcards.cohort}.{wildcards.task}.{wildcards.protocol}.parquet"
    return f"--manifest {RESULTS}/cohorts/{wildcards.target}/manifest.parquet --groups {RESULTS}/quality/groups.parquet"


def architecture_code(step):
    """A params function: fingerprint of a step together with the run's architecture."""

    def code(wildcards):
        return code_of(
            f"steps.{step}", f"models.{STUDY.models[wildcards.model].architecture}"
        )

    return code


# What the tables, the figures and the report are made from ---------------------------------------------------------


def panel_of(run):
    """What the runs in one figure have in common."""
    return run.cohort, run.task, run.view, run.protocol


RUNS = all_runs(STUDY)
TABLES = ("scores", "leaderboard", "external", "cohorts", "audit", "efficiency")
CELL_TABLES = (
    "segmentation",
    "instances",
    "cells",
    "selection",
    "stability",
    "neighbours",
)
SPLITS = sorted(
    {f"{RESULTS}/splits/{run.cohort}.{run.task}.{run.protocol}.parquet" for run in RUNS}
)
# The view that samples are shown in: the first plain one.
PLAIN = next(
    (name for name, view in STUDY.views.items() if view.kind == "plain"),
    next(iter(STUDY.views)),
)
# Views of whole pictures; single cells have figures of their own.
ALL_VIEWS = [PLAIN] + [
    name for name, view in STUDY.views.items() if name != PLAIN and view.kind != "cells"
]
NORMALISED = next(
    (name for name, view in STUDY.views.items() if view.kind == "normalised"), None
)
PLAIN_FOLDERS = [view_folder(name, PLAIN) for name in USED_COHORTS]
SHOWN = sorted(
    {(cohort, run.task) for run, cohorts in RUNS.items() for cohort in cohorts}
)
TRAINED = sorted({(run.cohort, run.task) for run in RUNS})
PANELS = sorted({panel_of(run) for run in RUNS})
# Curves are drawn where a network stands beside the colour baseline.
NETWORK_PANELS = [
    panel
    for panel in PANELS
    if not all(is_baseline(run.model) for run in RUNS if panel == panel_of(run))
]
NETWORK_VIEWS = sorted({panel[:3] for panel in NETWORK_PANELS})
# Cells are drawn where something else asks for them: expert masks, an archive's, views or features made from them.
CELL_PAIRS = SHOWN if SOURCES or ARCHIVES or CELL_VIEWS or MORPHOLOGY else []
CELL_COHORTS = sorted({cohort for cohort, _ in CELL_PAIRS})
SCORED = [
    name
    for name in SEGMENTERS
    if scored_on(name) or (ARCHIVES and name == SEGMENTERS[0])
]
# The features that models read, once for every run on other images; the run's model is the entry of section features.
SELECTIONS = sorted(
    {
        dataclasses.replace(run, model=STUDY.models[run.model].features)
        for run in RUNS
        if STUDY.models[run.model].features
    }
)
SELECTED_PANELS = sorted({panel_of(each) for each in SELECTIONS})


def counts_of(view):
    """The family and number of features of the models on a view, where a family has several numbers."""
    models = {run.model for run in RUNS if (run.cohort, run.task, run.view) == view}
    return families({name: STUDY.models[name] for name in sorted(models)})


COUNTED_VIEWS = [view for view in NETWORK_VIEWS if counts_of(view)]


def run_name(wildcards):
    w = wildcards
    return (
        f"{w.cohort}.{w.task}.{w.view}.{w.protocol}.{w.model}.fold{w.fold}.seed{w.seed}"
    )


def run_predictions(wildcards):
    run = parse_run(run_name(wildcards))
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{target}.parquet"
        for target in RUNS[run]
    ]


def run_files(name):
    return [f"{RESULTS}/runs/{run.name}/{name}" for run in RUNS]


def cohort_tables(name):
    return [f"{RESULTS}/cohorts/{cohort}/{name}" for cohort in USED_COHORTS]


def runs_in_panel(wildcards):
    """Runs with the cohort, task, view and (where the figure has one) protocol of a figure."""
    asked = {
        key: value
        for key, value in wildcards.items()
        if key in ("cohort", "task", "view", "protocol")
    }
    return [
        run
        for run in RUNS
        if all(getattr(run, key) == value for key, value in asked.items())
    ]


def panel_files(name):
    def files(wildcards):
        return [f"{RESULTS}/runs/{run.name}/{name}" for run in runs_in_panel(wildcards)]

    return files


def panel_predictions(wildcards):
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{run.cohort}.parquet"
        for run in runs_in_panel(wildcards)
    ]


def summaries_of_all_views(wildcards):
    return [f"{view_folder(wildcards.cohort, name)}/view.json" for name in ALL_VIEWS]


def selections_of(wildcards):
    """Selections of a panel, of every fold and seed."""
    w = wildcards
    return [
        each
        for each in SELECTIONS
        if panel_of(each) == (w.cohort, w.task, w.view, w.protocol)
    ]


def selection_files(names, name):
    return [f"{RESULTS}/selections/{each.name}/{name}" for each in names]


def panel_rankings(wildcards):
    return selection_files(selections_of(wildcards), "ranking.csv")


def panel_stabilities(wildcards):
    return selection_files(selections_of(wildcards), "stability.csv")


def panel_matrices(wildcards):
    """Scaled features of the cohort itself, of each entry's first fold and seed."""
    first = {}
    for each in selections_of(wildcards):
        first.setdefault(each.model, each)
    return selection_files(first.values(), f"scaled/{wildcards.cohort}.npy")


def panel_descriptions(wildcards):
    return [
        file.replace(f"scaled/{wildcards.cohort}.npy", name)
        for file in panel_matrices(wildcards)
        for name in ("features.json", "ranking.csv")
    ]


def cell_files(name):
    return [f"{RESULTS}/cells/{cohort}/{name}" for cohort in CELL_COHORTS]


def normalised_view(wildcards):
    """The summary of the normalised view, where the study has one."""
    if NORMALISED is None:
        return []
    return [f"{view_folder(wildcards.cohort, NORMALISED)}/view.json"]


def normalised_option(wildcards):
    return " ".join(f"--normalised {file}" for file in normalised_view(wildcards))


def count_settings(wildcards):
    """What accuracy against the number of features is drawn from."""
    w = wildcards
    models = {
        name: STUDY.models[name].model_dump(mode="json")
        for name in counts_of((w.cohort, w.task, w.view))
    }
    place = {"cohort": w.cohort, "task": w.task, "view": w.view}
    return json.dumps({**place, "models": models})


def figure_files():
    """Every figure of the study."""
    names = ["leaderboard", "duplicates"]
    names += [f"views.{cohort}.{task}" for cohort, task in TRAINED]
    names += [f"samples.{cohort}.{task}" for cohort, task in SHOWN]
    names += [f"learning.{'.'.join(panel)}" for panel in NETWORK_VIEWS]
    names += [f"confusion.{'.'.join(panel)}" for panel in PANELS]
    names += [
        f"{family}.{'.'.join(panel)}"
        for panel in NETWORK_PANELS
        for family in ("roc", "pr")
    ]
    names += [
        f"{family}.{cohort}.{task}"
        for cohort, task in CELL_PAIRS
        for family in ("stages", "contact", "cells", "gallery")
    ]
    names += [f"archive.{'.'.join(pair)}" for pair in CELL_PAIRS if pair[0] in ARCHIVES]
    names += ["segmentation"] if SOURCES else []
    names += [
        f"{family}.{'.'.join(panel)}"
        for panel in SELECTED_PANELS
        for family in ("selection", "embedding")
    ]
    names += [f"feature_count.{'.'.join(view)}" for view in COUNTED_VIEWS]
    return [f"{RESULTS}/figures/{name}.png" for name in names]


FIGURES = figure_files()


def template_digest():
    """Digest of the report's templates, which are no Python and so in no fingerprint."""
    return tree_digest(os.path.join(SOURCE, "leukoflow", "report", "templates"))
