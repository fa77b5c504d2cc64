# Where images are: roots, downloads, shards, views.


def cohort_settings(wildcards):
    return STUDY.cohorts[wildcards.cohort].model_dump_json()


def max_pixels_of(name):
    if name in POOLED:
        return max(max_pixels_of(part) for part in STUDY.laboratories(name))
    return getattr(STUDY.cohorts[name], "max_pixels", 100_000_000)


def max_pixels(wildcards):
    return max_pixels_of(wildcards.cohort)


def root_of(name):
    """Folder that a cohort's paths are relative to."""
    cohort = STUDY.cohorts[name]
    if cohort.kind == "pooled":  # the paths of its files begin here
        return "."
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


def contents_of(name):
    return f"resources/{name}/contents.csv"


def download_contents(wildcards):
    """The list of unpacked files, if a cohort is downloaded. An input of what reads its files: if the list was deleted,
    the archive is unpacked first."""
    name = wildcards.cohort
    return [contents_of(name)] if is_downloaded(name) else []


@functools.cache
def marks_of(name):
    """What Snakemake compares of a cohort's files, looked at once. Jobs that parse this file again do not look."""
    if not workflow.is_main_process or name in [*SYNTHETIC, *POOLED]:
        return {}
    cohort = Cohort(
        name=name,
        results=Path(RESULTS),
        root=Path(ROOTS[name]),
        files=STUDY.cohorts[name],
        contents=Path(contents_of(name)) if is_downloaded(name) else None,
        shards=tuple(shard_names(name)),
    )
    return stop_with_one_line(marks, cohort, marks_file(name))


def marks_file(name):
    return Path(f".snakemake/leukoflow/marks/{STUDY.study}.{name}.json")


@functools.cache
def kept_marks(name):
    """The marks, written for the next start unless this one is dry, which is not known while files are parsed."""
    cohort_marks = marks_of(name)
    if cohort_marks and not workflow.dryrun:
        keep(marks_file(name), cohort_marks)
    return cohort_marks


def mark_of(reader):
    """A params function: a text that changes with the files that a step reads."""

    def mark(wildcards):
        return kept_marks(wildcards.cohort).get(reader, "")

    return mark


def shard_mark(wildcards):
    return kept_marks(wildcards.cohort).get(wildcards.shard, "")


def pinned_or_recorded(pinned, file):
    """sha256 that a download must have: the pinned one, or the one recorded next to the file when it was fetched."""
    return pinned or Path(f"{file}.sha256").read_text().split()[0]


def expected_digest(wildcards):
    pinned = STUDY.cohorts[wildcards.cohort].sha256
    return pinned_or_recorded(pinned, f"resources/{wildcards.cohort}/archive")


def lookup_url(wildcards):
    return STUDY.cohorts[wildcards.cohort].url


def archive_digest_option(wildcards):
    pinned = STUDY.cohorts[wildcards.cohort].sha256
    return f"--sha256 {pinned}" if pinned else ""


def cohort_option(key):
    """A params function: a key of the cohort as the step's option of that name, if it is given."""

    def option(wildcards):
        known = getattr(STUDY.cohorts[wildcards.cohort], key, None)
        return f"--{key.replace('_', '-')} {known}" if known else ""

    return option


def shards_of(name):
    return shard_count(STUDY.images_of(name))


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


def left_out_file(wildcards):
    """What a cohort that is listed holds besides its images."""
    if wildcards.cohort in SYNTHETIC:
        return []
    return [f"{RESULTS}/cohorts/{wildcards.cohort}/left_out.parquet"]


def is_whole(wildcards):
    return "--whole" if wildcards.cohort in SYNTHETIC else ""


def cohort_files(names, pattern):
    """Files of each shard of the named cohorts."""
    return [
        f"{RESULTS}/cohorts/{name}/{pattern.format(shard=shard)}"
        for name in names
        for shard in shard_names(name)
    ]


def all_images(wildcards):
    """What images are compared by, of every cohort."""
    folders = [f"{RESULTS}/cohorts/{name}" for name in MEASURED]
    return {
        "manifests": [f"{folder}/manifest.parquet" for folder in folders],
        "qualities": [f"{folder}/quality.parquet" for folder in folders],
        "thumbnails": cohort_files(MEASURED, "thumbnails/{shard}.npy"),
    }


def linking_features(wildcards):
    """Features by which images are linked, of every cohort in the order of the step's cohorts."""
    deep = STUDY.quality.deep
    if deep is None:
        return []
    folders = [matrix_folder(name, deep.view, deep.features) for name in MEASURED]
    return [f"{folder}/matrix.json" for folder in folders]


# Jobs in which images are compared with each other; a small study has one, which does everything.
PARTS_COMPARED = STUDY.quality.parts_of(
    sum(STUDY.cohorts[name].images for name in MEASURED)
)


def compared_files(wildcards):
    """What the comparison of each part gave; none if one job does everything."""
    if PARTS_COMPARED == 1:
        return []
    return [
        f"{RESULTS}/quality/compared/{part:03d}.npz" for part in range(PARTS_COMPARED)
    ]


def described_files(suffix):
    return [
        f"{RESULTS}/quality/described/{part:03d}{suffix}"
        for part in range(PARTS_COMPARED)
    ]


def duplicate_settings(*more):
    """Section quality without what changes no pair, and with other keys besides."""
    pairs = {"hash_distance", "correlation", "moved_correlation"}
    return STUDY.quality.model_dump_json(include=pairs | set(more))


def group_images_options(wildcards):
    return " ".join(
        f"--cohort {name} {RESULTS}/cohorts/{name} {shards_of(name)}"
        for name in MEASURED
    )


def pools_option(wildcards):
    return " ".join(
        f"--pool {name} {' '.join(STUDY.laboratories(name))}" for name in POOLED
    )


def joined_tables(wildcards):
    """Manifest, quality and files of the cohorts that a pooled one joins."""
    return [
        f"{RESULTS}/cohorts/{name}/{kind}.parquet"
        for name in STUDY.laboratories(wildcards.cohort)
        for kind in ("manifest", "quality", "files")
    ]


def joined_option(wildcards):
    return " ".join(
        f"--cohort {name} {RESULTS}/cohorts/{name} {shlex.quote(ROOTS[name])}"
        for name in STUDY.laboratories(wildcards.cohort)
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


# Looked up at once, so that an edited download is told before anything runs.
for name in USED_COHORTS:
    marks_of(name)
