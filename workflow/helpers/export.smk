# Exported models: which, from which runs, and what their folders hold.
from leukoflow.config.plan import exported_runs

EXPORTED = stop_with_one_line(exported_runs, STUDY)
UNET = STUDY.segmentation.method == "unet"
EXPORTED_FILES = [
    "model.onnx",
    "model_int8.onnx",
    "heat.onnx",
    "weights.safetensors",
    "novelty.safetensors",
    "examples.safetensors",
    *(["segmenter.onnx"] if UNET else []),
]


def of_exported(pattern):
    """An input function: a file of the study, by the run of the exported model."""

    def path(wildcards):
        return f"{RESULTS}/{pattern.format(run=EXPORTED[wildcards.exported])}"

    return path


def by_exported(function):
    """A function of the exported model's run, as one of wildcards."""

    def answer(wildcards):
        return function(EXPORTED[wildcards.exported])

    return answer


def name_of_exported(wildcards):
    return EXPORTED[wildcards.exported].name


def siblings_of_exported(wildcards):
    """Runs of the same model and seed on the other folds, whose test images calibrate the exported one."""
    own = EXPORTED[wildcards.exported]
    return [
        run
        for run in RUNS
        if run != own and dataclasses.replace(run, fold=own.fold) == own
    ]


def calibration_of_exported(wildcards):
    """Predictions and novelty of the cohort that exported models are calibrated on, if the config names one."""
    cohort, run = STUDY.export.calibration_cohort, EXPORTED[wildcards.exported]
    if not cohort:
        return []
    if cohort not in RUNS[run]:
        raise WorkflowError(
            f"export.calibration_cohort: {run.model} is not tested on {cohort}; name it in external of its experiment"
        )
    folder = f"{RESULTS}/runs/{run.name}"
    return [f"{folder}/predictions/{cohort}.parquet", f"{folder}/novelty.parquet"]


def calibration_option(wildcards):
    files = calibration_of_exported(wildcards)
    return f"--elsewhere {files[0]} --novelty {files[1]}" if files else ""


def segmenter_to_export(wildcards):
    """Weights and description of the U-Net, if there is one."""
    return SEGMENTER_FILES if UNET else []


def export_options(wildcards):
    run = EXPORTED[wildcards.exported]
    pictures = STUDY.export.pictures
    shown = pictures == "all" or (
        pictures == "synthetic" and STUDY.cohorts[run.cohort].kind == "synthetic"
    )
    files = " ".join(segmenter_to_export(wildcards))
    segmenter = f"--segmenter {files}" if files else ""
    size = STUDY.segmentation.size_of(run.cohort)
    return f"--size {size} {segmenter} {'--with-pictures' if shown else ''}"


def export_settings(wildcards):
    """Which models are exported changes none of them."""
    return STUDY.export.model_dump_json(exclude={"models"})
