# What is measured of networks: those of one task on images of one size together, for they are alike on several views.


def profile_of(run):
    """The job that measures a run's network."""
    return f"{run.task}.{STUDY.views[run.view].size}"


def profiled(wildcards):
    return [
        run for run in RUNS if profile_of(run) == f"{wildcards.task}.{wildcards.side}"
    ]


def profiled_names(wildcards):
    return words_of(profiled(wildcards))


def profiled_files(name):
    def files(wildcards):
        return PLAN.run_files(profiled(wildcards), name)

    return files


def measured(wildcards):
    """The first run of each model on each view, which is the one that is measured."""
    first = {}
    for run in profiled(wildcards):
        first.setdefault((run.view, run.model), run)
    return list(first.values())


def profiled_weights(wildcards):
    return PLAN.run_files(measured(wildcards), "weights.safetensors")


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
        weights_file(each)
        for entry in deep_features_of(runs).values()
        for each in entry.backbones
        if each.weights is not None
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


def profiled_segmenter_option(wildcards):
    files = profiled_segmenter(wildcards)
    return f"--segmenter {' '.join(files)}" if files else ""


def feature_sources(wildcards):
    entries = deep_features_of(measured(wildcards))
    weights = {
        name: [
            weights_file(each) for each in entry.backbones if each.weights is not None
        ]
        for name, entry in entries.items()
    }
    described = {name: entry.model_dump(mode="json") for name, entry in entries.items()}
    return json.dumps({"entries": described, "weights": weights})


def profile_code(wildcards):
    """Fingerprint of the step together with all architectures that it measures."""
    return architectures_code("profile", profiled(wildcards))


def components_code():
    """Fingerprint of the step together with all architectures that it lists."""
    return architectures_code("components", PLAN.architectures.values())
