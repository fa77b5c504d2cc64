# Runs that are put through changed images.
import shlex

from leukoflow.config.families import shares_of
from leukoflow.config.plan import checked_runs

ROBUSTNESS_RUNS = PLAN.robustness_runs
SHARED_RUNS = PLAN.shared_runs


def own_view(wildcards):
    return f"{view_folder(wildcards.cohort, drawn_view(STUDY, wildcards))}/view.json"


def rendered_again(wildcards):
    """Whether a view is made of the changed pictures: of a plain one the shards are changed."""
    view = STUDY.views[wildcards.view]
    return bool(view.chain) or view.needs_cells or view.kind == "centred"


def segmenter_of_view(wildcards):
    """What cells are looked for with in changed pictures."""
    return SEGMENTER_FILES if STUDY.views[wildcards.view].needs_cells else []


def rendering_option(wildcards):
    if not rendered_again(wildcards):
        return ""
    view = STUDY.views[wildcards.view]
    option = (
        f"--rendering {shlex.quote(view.model_dump_json())} {stain_of_run_option(wildcards)}"
        f" --root={shlex.quote(cohort_root(wildcards))} --max-pixels {max_pixels(wildcards)}"
    )
    if not view.needs_cells:
        return option
    size = STUDY.segmentation.size_of(wildcards.cohort)
    segmentation = shlex.quote(segmentation_settings(wildcards))
    files = " ".join(segmenter_of_view(wildcards))
    return (
        f"{option} --segmentation {segmentation} --segmenter {files} --cell-size {size}"
    )


def modules_rendering_option(wildcards):
    """Pictures of single cells are compared one by one, and changed as they are."""
    cells = STUDY.views[wildcards.view].kind == "cells"
    return "" if cells else rendering_option(wildcards)


def checked_of(wildcards):
    """Runs of a panel that are tested on changed images."""
    w = wildcards
    panel = (w.cohort, w.task, w.view, w.protocol)
    return [run for run in ROBUSTNESS_RUNS if panel_of(run) == panel]


def with_modules(wildcards):
    return [run for run in checked_of(wildcards) if PLAN.has_modules(run)]


# Models that are trained on several shares of the images.
ON_SHARES = shares_of(STUDY.models)


def models_on_shares():
    return json.dumps(
        {name: STUDY.models[name].model_dump(mode="json") for name in ON_SHARES}
    )


def picture_features(wildcards):
    """What a model that reads deep features needs to read pictures: its selection, and weights of the networks."""
    name = STUDY.models[wildcards.model].features
    if name is None:
        return []
    files = ("features.json", "ranking.csv", "scaler.safetensors", "stack.safetensors")
    return [f"{selection_folder(wildcards)}/{file}" for file in files]


def picture_weights(wildcards):
    name = STUDY.models[wildcards.model].features
    backbones = () if name is None else STUDY.features[name].backbones
    return [
        weights_input(backbone)
        for backbone in backbones
        if backbone.weights is not None
    ]


def picture_weights_content(wildcards):
    name = STUDY.models[wildcards.model].features
    return weights_content(() if name is None else STUDY.features[name].backbones)


def picture_features_option(wildcards):
    name = STUDY.models[wildcards.model].features
    if name is None:
        return ""
    entry = shlex.quote(STUDY.features[name].model_dump_json())
    return f"--features {entry} --selection {selection_folder(wildcards)}"


def runs_held_to_reference(wildcards):
    if wildcards.experiment not in COMPARED:
        return []
    known = set(ROBUSTNESS_RUNS)
    return [run for run in runs_of(STUDY, wildcards.experiment) if run in known]


def view_and_reference(wildcards):
    """The reference on the experiment's first view: remedies are other models, or the same on other views."""
    asked = STUDY.experiments[wildcards.experiment]
    return [asked.views[0], asked.reference or asked.models[0]]
