# Masks, segmenters and the cells that they find.

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
SEGMENTER_FILES = [
    f"{RESULTS}/segmenters/all/{file}"
    for file in ("weights.safetensors", "segmenter.json")
]
MASK_FILES = ("images.npy", "parts.npy", "labels.npy", "index.parquet")
# Views that are rendered with the label maps.
CELL_VIEWS = [name for name, view in STUDY.views.items() if view.needs_cells]


def annotation_settings(wildcards):
    given = STUDY.segmentation
    masks = STUDY.cohorts[wildcards.cohort].masks.model_dump_json()
    splits = f'{{"test":{given.test},"validation":{given.validation},"seed":{given.training.seed}}}'
    size = given.size_of(wildcards.cohort)
    steps = json.dumps(given.model_dump(mode="json")["steps"])
    return f'{{"masks":{masks},"splits":{splits},"images":{given.images_per_source},"size":{size},"steps":{steps}}}'


def segmentation_settings(wildcards):
    return STUDY.segmentation.model_dump_json()


def scoring_settings(wildcards):
    evaluation = evaluation_settings()
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


def scored_masks(file):
    """A file of each source or archive that segmenters are held against."""
    return [f"{RESULTS}/masks/{name}/{file}" for name in [*SOURCES, *ARCHIVES]]


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


def measured_cells(wildcards):
    return [
        f"{RESULTS}/cells/{wildcards.cohort}/measured/{shard}.parquet"
        for shard in shard_names(wildcards.cohort)
    ]


def labels_of_view(wildcards):
    """The label maps of a shard, where its view needs them."""
    if wildcards.view.partition("~")[0] not in CELL_VIEWS:
        return []
    return [f"{RESULTS}/cells/{wildcards.cohort}/{wildcards.shard}.npy"]


def labels_option(wildcards):
    files = labels_of_view(wildcards)
    return f"--labels {files[0]}" if files else ""


def plain_view(wildcards):
    return PLAN.view_file(wildcards.cohort, PLAN.plain)


def augmentation_settings(wildcards):
    run = PLAN.augmenting(wildcards.cohort, wildcards.task)
    return STUDY.models[run.model].training.augmentation.model_dump_json()


def augmentation_seed(wildcards):
    return PLAN.augmenting(wildcards.cohort, wildcards.task).seed
