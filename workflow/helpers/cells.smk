# Masks, segmenters and the cells that they find.

SOURCES = STUDY.segmentation.sources
# Cohorts that come with masks of their own making, no expert's.
ARCHIVES = [
    name
    for name in USED_COHORTS
    if STUDY.cohorts[name].masks and not STUDY.cohorts[name].masks.expert
]
ADAPT = STUDY.segmentation.adapt
# The first finds the cells.
SEGMENTERS = ["adapted", "all"] if ADAPT else ["all"]
if STUDY.segmentation.leave_one_out:
    SEGMENTERS += [f"without_{name}" for name in SOURCES]
SEGMENTERS += [f"gates_{gates}" for gates in STUDY.segmentation.compared_gates]
SEGMENTER_FILES = [
    f"{RESULTS}/segmenters/{SEGMENTERS[0]}/{file}"
    for file in ("weights.safetensors", "segmenter.json")
]
MASK_FILES = ("images.npy", "parts.npy", "labels.npy", "index.parquet")
# The cohort that is adapted to, if experts drew masks of it.
target_masks = STUDY.cohorts[ADAPT.cohort].masks if ADAPT else None
TARGETS = [ADAPT.cohort] if target_masks and target_masks.expert else []
# Views that are rendered with the label maps.
CELL_VIEWS = [name for name, view in STUDY.views.items() if view.needs_cells]


def annotation_settings(wildcards):
    section = STUDY.segmentation
    masks = STUDY.cohorts[wildcards.cohort].masks.model_dump_json()
    splits = f'{{"test":{section.test},"validation":{section.validation},"seed":{section.training.seed}}}'
    size = section.size_of(wildcards.cohort)
    steps = json.dumps(section.model_dump(mode="json")["steps"])
    return f'{{"masks":{masks},"splits":{splits},"images":{section.images_per_source},"size":{size},"steps":{steps}}}'


def segmentation_settings(wildcards):
    return STUDY.segmentation.model_dump_json()


def training_settings(wildcards):
    """Those of the segmenter; what else is trained changes none."""
    section = STUDY.segmentation
    gates = wildcards.segmenter.removeprefix("gates_")
    changed = {"gates": gates} if gates in section.compared_gates else {}
    left = {"compared_gates": (), "leave_one_out": False, "adapt": None}
    return section.model_copy(update={**left, **changed}).model_dump_json()


def adapting_settings(wildcards):
    left = {"compared_gates": (), "leave_one_out": False}
    return STUDY.segmentation.model_copy(update=left).model_dump_json()


def files_to_adapt_to(wildcards):
    return f"{RESULTS}/cohorts/{ADAPT.cohort}/files.parquet"


def adapting_options(wildcards):
    name = ADAPT.cohort
    size = STUDY.segmentation.size_of(name)
    return f"--root={shlex.quote(ROOTS[name])} --size {size} --max-pixels {max_pixels_of(name)}"


def trained_on(wildcards):
    """What the tables say of a segmenter's sources."""
    name = wildcards.segmenter
    return name if name.startswith("without_") else "all"


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
    """What a segmenter is held against: all sources and the cohort that is adapted to, if experts drew masks of it; or
    the source that it did not see."""
    left_out = [name for name in SOURCES if segmenter == f"without_{name}"]
    return left_out or [*SOURCES, *TARGETS]


def mask_files(names):
    return [f"{RESULTS}/masks/{name}/{file}" for name in names for file in MASK_FILES]


def scored_masks(file):
    """A file of each source or archive that segmenters are held against."""
    return [
        f"{RESULTS}/masks/{name}/{file}" for name in [*SOURCES, *TARGETS, *ARCHIVES]
    ]


def mask_folders(names):
    return " ".join(f"{RESULTS}/masks/{name}" for name in names)


def learnt_sources(wildcards):
    return mask_files(learnt_from(wildcards.segmenter))


def learnt_folders(wildcards):
    return mask_folders(learnt_from(wildcards.segmenter))


def archives_of(segmenter):
    """Archives' masks, which segmenters of all sources are compared with."""
    return ARCHIVES if segmenter in ("all", "adapted") else []


def scored_sources(wildcards):
    archives = archives_of(wildcards.segmenter)
    return mask_files([*scored_on(wildcards.segmenter), *archives])


def scored_folders(wildcards):
    options = f"--sources {mask_folders(scored_on(wildcards.segmenter))}"
    if archives := archives_of(wildcards.segmenter):
        options += f" --archives {mask_folders(archives)}"
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


def plain_view(wildcards):
    return PLAN.view_file(wildcards.cohort, PLAN.plain)


def augmentation_settings(wildcards):
    run = PLAN.augmenting(wildcards.cohort, wildcards.task)
    return STUDY.models[run.model].training.augmentation.model_dump_json()


def augmentation_seed(wildcards):
    return PLAN.augmenting(wildcards.cohort, wildcards.task).seed
