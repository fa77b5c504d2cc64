# Weights that networks start from: of sections features and models, from a hub, a package or a file.


def weights_name(entry):
    """Name of the file in resources/weights for weights that are downloaded."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", entry.weights.partition(":")[2])


def is_fetched(entry):
    return entry.weights is not None and entry.weights.startswith(FETCHED)


def weights_file(entry):
    """The file of an entry's weights: one that is downloaded, or one that is there."""
    if is_fetched(entry):
        return f"resources/weights/{weights_name(entry)}.safetensors"
    return os.path.expanduser(os.path.expandvars(entry.weights))


# Every entry that may have weights, by its config key.
WEIGHTED = {}
for name, entry in STUDY.models.items():
    WEIGHTED[f"models.{name}"] = entry
    if entry.partner is not None:
        WEIGHTED[f"models.{name}.partner"] = entry.partner
for name, entry in STUDY.features.items():
    for number, backbone in enumerate(entry.backbones if entry.kind == "deep" else ()):
        WEIGHTED[f"features.{name}.backbones.{number}"] = backbone
# A pinned digest counts for every entry with the same source.
DOWNLOADED = {}
for entry in filter(is_fetched, WEIGHTED.values()):
    if entry.sha256 or weights_name(entry) not in DOWNLOADED:
        DOWNLOADED[weights_name(entry)] = entry
# Looked up at once, so that a missing file is told before anything runs.
for key, entry in WEIGHTED.items():
    if (
        entry.weights
        and not is_fetched(entry)
        and not os.path.isfile(weights_file(entry))
    ):
        raise WorkflowError(
            f"{key}.weights: there is no file {entry.weights}; give a safetensors file"
        )
    if entry.weights and not is_fetched(entry) and set("{}") & set(weights_file(entry)):
        raise WorkflowError(
            f"{key}.weights: {entry.weights} holds braces, which Snakemake takes for wildcards; rename it or link to it"
        )


def weights_input(entry):
    """The file as an input. One that was there already is told by its content, not by its time."""
    return weights_file(entry) if is_fetched(entry) else ancient(weights_file(entry))


@functools.cache
def content_of_weights(path):
    name = hashlib.sha256(path.encode()).hexdigest()[:16]
    return known_digest(path, Path(f".snakemake/leukoflow/weights/{name}.parquet"))


def weights_content(entries):
    """Digests of files that were there already. Jobs that parse this file again do not look."""
    if not workflow.is_main_process:
        return []
    local = [entry for entry in entries if entry.weights and not is_fetched(entry)]
    return [content_of_weights(os.path.abspath(weights_file(entry))) for entry in local]


def model_weights_content(wildcards):
    return weights_content([STUDY.models[wildcards.model]])


def weights_source(wildcards):
    return DOWNLOADED[wildcards.weights].weights


def weights_digest(wildcards):
    pinned = DOWNLOADED[wildcards.weights].sha256
    file = f"resources/weights/{wildcards.weights}.safetensors"
    return pinned_or_recorded(pinned, file)


def weights_digest_option(wildcards):
    pinned = DOWNLOADED[wildcards.weights].sha256
    return f"--sha256 {pinned}" if pinned else ""


SELF_SUPERVISED = [
    name for name, model in STUDY.models.items() if model.self_supervised is not None
]
# What pretraining depends on: no change of the recipe that follows repeats it.
PRETRAINING = dict.fromkeys(
    ("architecture", "size", "options", "weights", "sha256", "input_scaling"), True
) | {"self_supervised": True, "training": {"precision", "workers"}}


def pretraining_settings(wildcards):
    return STUDY.models[wildcards.model].model_dump_json(include=PRETRAINING)


def weights_of_model(wildcards):
    """Weights that a model's entry names."""
    entry = STUDY.models[wildcards.model]
    return [] if entry.weights is None else [weights_input(entry)]


def partner_of_model(wildcards):
    """Weights that a model's entry names for its second trunk."""
    partner = STUDY.models[wildcards.model].partner
    return [] if partner is None or partner.weights is None else [weights_file(partner)]


def start_of_run(wildcards):
    """Weights that a run's training starts from: self-trained ones, those of the entry, or none."""
    if wildcards.model in SELF_SUPERVISED:
        return [f"{RESULTS}/runs/{run_name(wildcards)}/pretrained.safetensors"]
    return weights_of_model(wildcards)
