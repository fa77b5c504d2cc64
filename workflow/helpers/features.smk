# Extracted features, their weights, and what is selected from them.

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
