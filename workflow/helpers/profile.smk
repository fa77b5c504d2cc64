# What is measured of networks: those of one task on images of one size together, for they are alike on several views.


def profile_of(run):
    """The job that measures a run's network."""
    return f"{run.task}.{STUDY.views[run.view].size}"


def profiled(wildcards):
    return [
        run for run in RUNS if profile_of(run) == f"{wildcards.task}.{wildcards.side}"
    ]


def measured(wildcards):
    """The first run of each model on each view, which is the one that is measured."""
    first = {}
    for run in profiled(wildcards):
        first.setdefault((run.view, run.model), run)
    return list(first.values())


def deep_features_of(runs):
    """Entries of section features, those of networks, that the models of runs read, by name."""
    names = {STUDY.models[run.model].features for run in runs}
    return {name: STUDY.features[name] for name in sorted(names & set(DEEP))}


def measured_features(wildcards):
    """What makes features of pictures: selections of the runs measured, and weights of the entries' networks."""
    runs = measured(wildcards)
    reading = {
        dataclasses.replace(run, model=STUDY.models[run.model].features)
        for run in runs
        if STUDY.models[run.model].features in DEEP
    }
    names = ("features.json", "ranking.csv", "scaler.safetensors", "stack.safetensors")
    files = [file for name in names for file in selection_files(sorted(reading), name)]
    weights = {
        weights_file(backbone)
        for entry in deep_features_of(runs).values()
        for backbone in entry.backbones
        if backbone.weights is not None
    }
    return files + sorted(weights)


def profiled_views(wildcards):
    """The views of the runs that are measured, and how their cells are found, as JSON."""
    names = sorted({run.view for run in profiled(wildcards)})
    views = {name: STUDY.views[name].model_dump(mode="json") for name in names}
    segmentation = STUDY.segmentation.model_dump(mode="json")
    return json.dumps({"views": views, "segmentation": segmentation})


def profiled_segmenter(wildcards):
    """What finds cells, where a view of whole pictures needs them."""
    views = [STUDY.views[run.view] for run in profiled(wildcards)]
    if not any(view.needs_cells and view.kind != "cells" for view in views):
        return []
    return SEGMENTER_FILES


def feature_sources(wildcards):
    entries = deep_features_of(measured(wildcards))
    weights = {
        name: [
            weights_file(backbone)
            for backbone in entry.backbones
            if backbone.weights is not None
        ]
        for name, entry in entries.items()
    }
    described = {name: entry.model_dump(mode="json") for name, entry in entries.items()}
    return json.dumps({"entries": described, "weights": weights})


def profile_code(wildcards):
    return code_with("profile", [run.model for run in profiled(wildcards)])
