# Extracted features, their weights, and what is selected from them.

MORPHOLOGY = [
    name for name, entry in STUDY.features.items() if entry.kind == "morphology"
]
DEEP = [name for name in STUDY.features if name not in MORPHOLOGY]
EXTRACTION = {"kind", "backbones", "grid", "batch_size", "seed"}


def weights_of_features(wildcards):
    backbones = STUDY.features[wildcards.features].backbones
    return [
        weights_input(backbone)
        for backbone in backbones
        if backbone.weights is not None
    ]


def features_weights_content(wildcards):
    return weights_content(STUDY.features[wildcards.features].backbones)


def extraction_of(name):
    """What an entry of section features extracts, whatever it makes of it afterwards."""
    entry = STUDY.features[name]
    if entry.kind == "deep":
        # A stack that is not there asks for no number of positions.
        entry = entry.model_copy(update={"stack": "none"})
    return entry.model_dump_json(include=EXTRACTION | {"stack"})


def extraction_settings(wildcards):
    return extraction_of(wildcards.features)


def matrix_folder(cohort, view, name):
    """Folder of extracted features; entries that differ only in stack and selection share the first one's."""
    same = [
        candidate
        for candidate in STUDY.features
        if extraction_of(candidate) == extraction_of(name)
    ]
    return f"{RESULTS}/features/{cohort}.{view}.{same[0]}"


def shard_features(wildcards):
    w = wildcards
    folder = f"{RESULTS}/features/{w.cohort}.{w.view}.{w.features}"
    return [f"{folder}/{shard}.json" for shard in shard_names(w.cohort)]


def own_matrix(wildcards):
    w = wildcards
    return f"{matrix_folder(w.cohort, drawn_view(STUDY, w), w.features)}/matrix.json"


def target_matrix(wildcards):
    w = wildcards
    return f"{matrix_folder(w.target, drawn_view(STUDY, w), w.features)}/matrix.json"


def features_settings(wildcards):
    features = STUDY.features[wildcards.features].model_dump_json()
    return f'{{"name":"{wildcards.features}","features":{features}}}'


def on_all_option(wildcards):
    leaks = STUDY.division(wildcards.protocol).leaks
    return "--on-all" if "fitted_on_all" in leaks else ""


def stack_gpu(wildcards):
    """A GPU if there is a fusion stack."""
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
        return [f"{view_folder(cohort, drawn_view(STUDY, wildcards))}/view.json"]
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


def neighbour_inputs(wildcards):
    w = wildcards
    return matrices_of(PLAN, (w.cohort, w.task, w.view, w.protocol))
