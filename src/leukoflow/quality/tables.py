"""Tables of cohorts and of splits: what was found in the images before any model was trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.protocols import strictness
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.exposure import bits_filled, implausible
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.names import alike, skeleton, told_apart

UNLABELLED = "(no label)"
COHORT_COLUMNS = ["cohort", "fact", "label", "measured", "published"]
BARS = {"scale bars": ("red", "dark"), "red scale bars": ("red",), "dark scale bars": ("dark",)}
"""Facts about scale bars, and the colours that each counts."""
LEARNT = ("train", "validation")
NAMED = 5
"""Most groups of names that look alike in a row of the audit."""
KINDS = ("identical", "near", "turned", "moved")
"""Kinds of duplicate pairs."""
CONFLICT_COLUMNS = [
    *("cohort_a", "image_a", "label_a", "cohort_b", "image_b", "label_b", "kind", "change", "correlation"),
]
AUDIT_COLUMNS = [
    *("cohort", "task", "protocol", "fold", "train", "validation", "test", "groups"),
    *("duplicate_pairs", "test_with_duplicate", "shared_acquisitions", "test_with_acquisition"),
    *("shared_patients", "test_with_patient", "test_with_alike_patient", "test_with_alike_slide", "alike"),
]


@dataclass(frozen=True)
class CohortFiles:
    """The tables of one cohort."""

    manifest: pd.DataFrame
    quality: pd.DataFrame
    rejects: pd.DataFrame
    names: pd.DataFrame | None = None
    """Names that look alike, of step list_images: kind, names, images, unlabelled; None for a cohort that was drawn."""
    left_out: pd.DataFrame | None = None
    """Files of its tree that are no images; None for a cohort that was drawn."""
    warnings: pd.DataFrame | None = None
    """What the listing warned of."""


def cohorts(
    files: Mapping[str, CohortFiles],
    duplicates: pd.DataFrame,
    published: Mapping[str, Mapping[str, int]],
    tasks: Mapping[str, Task],
) -> pd.DataFrame:
    """Facts of every cohort in long form: cohort, fact, label, measured, published.

    `published` has the source's own number of images for each label, kept in a column of its own. Facts: listed,
    images (whole and by label), rejected (whole and by reason), files (whole and by kind, which add up; of cohorts that
    are listed), warning (its text is the label), scale bars (by label), pairs of duplicates of each kind (within, and
    by the other cohort's name across), images with a duplicate, implausible exposures (by kind), bits filled of 16-bit
    files (if not all), medians of focus, exposure and of width over height of the files; images with names that look
    alike (`alike patient`, `alike label` and so on, by the names), how many of them have no label (`unlabelled by a
    name`), and images whose label looks like a class but is none (`alike class`, by both).
    """
    rows: list[dict[str, Any]] = []
    for name, tables in files.items():
        facts = _counts(tables, dict(published.get(name, {}))) + _tree(tables)
        facts += _pairs(name, duplicates) + _exposure(tables.quality) + _medians(tables.quality)
        facts += _names(tables, tasks)
        rows += [{"cohort": name, "published": np.nan, **fact} for fact in facts]
    # Counts stay whole numbers next to the medians.
    return pd.DataFrame(rows, columns=COHORT_COLUMNS, dtype=object)


def _counts(tables: CohortFiles, published: dict[str, int]) -> list[dict[str, Any]]:
    accepted, rejected = len(tables.manifest), len(tables.rejects)
    labels = tables.manifest["label"].astype("object")
    labels = labels.where(labels.notna(), UNLABELLED)
    total = sum(published.values()) if published else np.nan
    facts: list[dict[str, Any]] = [
        {"fact": "listed", "label": "", "measured": accepted + rejected},
        {"fact": "images", "label": "", "measured": accepted, "published": total},
    ]
    counts = labels.value_counts()
    for label in [*published, *sorted(set(counts.index) - set(published))]:
        known = published.get(label, np.nan)
        facts.append({"fact": "images", "label": label, "measured": int(counts.get(label, 0)), "published": known})
    facts.append({"fact": "rejected", "label": "", "measured": rejected})
    for reason, count in tables.rejects["reason"].value_counts().items():
        facts.append({"fact": "rejected", "label": str(reason), "measured": int(count)})
    sizes = tables.manifest[["width", "height"]].dropna()
    if len(sizes):
        facts.append(
            {"fact": "median aspect", "label": "", "measured": float((sizes["width"] / sizes["height"]).median())}
        )
    by_image = tables.manifest[["image_id"]].assign(label=labels.to_numpy())
    barred = tables.quality.loc[tables.quality["bar_x0"].notna(), ["image_id", "bar_colour"]]
    barred = barred.merge(by_image, on="image_id")
    for fact, colours in BARS.items():
        bars = barred.loc[barred["bar_colour"].isin(colours), "label"].value_counts()
        for label in sorted(counts.index):
            facts.append({"fact": fact, "label": label, "measured": int(bars.get(label, 0))})
    return facts


def _tree(tables: CohortFiles) -> list[dict[str, Any]]:
    """What the files of the tree are, and what the listing warned of."""
    facts: list[dict[str, Any]] = []
    if tables.left_out is not None:
        kinds = {"image": len(tables.manifest)}
        kinds |= {str(kind): int(count) for kind, count in tables.left_out["kind"].value_counts().items()}
        kinds["rejected"] = len(tables.rejects)
        facts.append({"fact": "files", "label": "", "measured": sum(kinds.values())})
        facts += [{"fact": "files", "label": kind, "measured": count} for kind, count in kinds.items() if count]
    if tables.warnings is not None:
        facts += [{"fact": "warning", "label": str(text), "measured": 1} for text in tables.warnings["text"]]
    return facts


def _pairs(name: str, duplicates: pd.DataFrame) -> list[dict[str, Any]]:
    a, b = duplicates["cohort_a"] == name, duplicates["cohort_b"] == name
    within = duplicates[a & b]
    facts: list[dict[str, Any]] = []
    for kind in KINDS:
        facts.append({"fact": f"{kind} pairs", "label": "", "measured": int((within["kind"] == kind).sum())})
    touched = set(within["image_a"]) | set(within["image_b"])
    facts.append({"fact": "images with a duplicate", "label": "", "measured": len(touched)})
    across = pd.concat(
        [
            duplicates.loc[a & ~b, ["cohort_b", "image_a", "kind"]].set_axis(["other", "image", "kind"], axis=1),
            duplicates.loc[b & ~a, ["cohort_a", "image_b", "kind"]].set_axis(["other", "image", "kind"], axis=1),
        ]
    )
    for other, pairs in across.groupby("other"):
        for kind in KINDS:
            facts.append({"fact": f"{kind} pairs", "label": other, "measured": int((pairs["kind"] == kind).sum())})
        facts.append({"fact": "images with a duplicate", "label": other, "measured": pairs["image"].nunique()})
    return facts


def _exposure(quality: pd.DataFrame) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = [
        {"fact": "implausible exposure", "label": str(kind), "measured": int(count)}
        for kind, count in implausible(quality).value_counts().items()
    ]
    if bits := bits_filled(quality):
        facts.append({"fact": "bits filled of 16", "label": "", "measured": bits})
    return facts


def label_conflicts(duplicates: pd.DataFrame) -> pd.DataFrame:
    """Pairs of copies, within and across cohorts, whose labels differ: CONFLICT_COLUMNS."""
    return duplicates.loc[duplicates["labels_differ"].astype(bool), CONFLICT_COLUMNS].reset_index(drop=True)


def _medians(quality: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [name for name in ("focus", "exposure", "saturation", "foreground_fraction") if name in quality]
    return [{"fact": f"median {name}", "label": "", "measured": float(quality[name].median())} for name in columns]


def _names(tables: CohortFiles, tasks: Mapping[str, Task]) -> list[dict[str, Any]]:
    facts: list[dict[str, Any]] = []
    for kind, names, images, unlabelled in () if tables.names is None else tables.names.itertuples(index=False):
        facts.append({"fact": f"alike {kind}", "label": names, "measured": int(images)})
        if unlabelled:
            facts.append({"fact": "unlabelled by a name", "label": names, "measured": int(unlabelled)})
    counts = tables.manifest["label"].value_counts()
    for name, task in tasks.items():
        known = {skeleton(label): label for label in (task.labels or task.classes)}
        for label, images in counts.items():
            meant = known.get(skeleton(str(label)))
            if meant is not None and task.class_of(str(label)) is None:
                text = f"{told_apart([str(label), meant])} of task {name}"
                facts.append({"fact": "alike class", "label": text, "measured": int(images)})
    return facts


def audit(
    splits: Mapping[tuple[str, str, str], pd.DataFrame],
    duplicates: pd.DataFrame,
    groups: pd.DataFrame,
    manifests: Mapping[str, pd.DataFrame],
) -> pd.DataFrame:
    """One row for each split (cohort, task, protocol) and fold: images in each role, and what test shares with them.

    Leaks are counted from the learnt roles (train and validation) to the test role: `duplicate_pairs` and the test
    images in them (and those that are in a learnt role themselves), `acquisitions` on both sides and the test images of
    those, `patients` likewise (empty if a cohort names none). `test_with_alike_patient` and `test_with_alike_slide`
    are test images whose patient or slide has another name than one trained on, but one that looks alike; `alike` gives
    some of these names. Counted again from the tables, whatever the protocol promises.
    """
    rows = []
    for cohort, task, protocol in sorted(splits, key=lambda key: (key[0], key[1], strictness(key[2]))):
        split = splits[cohort, task, protocol]
        labels = _provenance(cohort, groups, manifests)
        within = duplicates[(duplicates["cohort_a"] == cohort) & (duplicates["cohort_b"] == cohort)]
        for fold, part in split.groupby("fold"):
            # Sets, for a protocol with leaks has images in two roles.
            learnt, tested = (set(part.loc[part["role"].isin(names), "image_id"]) for names in (LEARNT, ["test"]))
            row: dict[str, Any] = {"cohort": cohort, "task": task, "protocol": protocol, "fold": fold}
            row |= {name: int((part["role"] == name).sum()) for name in (*LEARNT, "test")}
            row |= {"groups": part["group"].nunique(), **_leaking_pairs(within, learnt, tested)}
            for column in ("acquisition", "patient"):
                row |= _shared(labels.get(column), learnt, tested, column)
            rows.append(row | _alike(labels, learnt, tested))
    return pd.DataFrame(rows, columns=AUDIT_COLUMNS)


def _provenance(cohort: str, groups: pd.DataFrame, manifests: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    acquisition = groups[groups["cohort"] == cohort].set_index("image_id")["acquisition"]
    manifest = manifests[cohort].set_index("image_id")
    return {"acquisition": acquisition, "patient": manifest["patient"], "slide": manifest["slide"]}


def _alike(origins: Mapping[str, pd.Series], learnt_from: set[str], tested_on: set[str]) -> dict[str, Any]:
    """Test images whose patient or slide looks like another one that was trained on, and such names in words."""
    row: dict[str, Any] = {}
    examples: list[str] = []
    for column in ("patient", "slide"):
        known = origins[column].reindex(sorted(learnt_from | tested_on)).dropna()
        if known.empty:
            row[f"test_with_alike_{column}"] = np.nan
            continue
        learnt = set(known[known.index.isin(learnt_from)])
        test = known[known.index.isin(tested_on)]
        tested = set(test)
        touched: set[str] = set()
        for names in alike(known.unique()):
            crossing = {name for name in tested.intersection(names) if learnt.intersection(names) - {name}}
            touched |= crossing
            examples += [f"{column} {told_apart(names)}"] if crossing else []
        row[f"test_with_alike_{column}"] = int(test.isin(touched).sum())
    return row | {"alike": "; ".join(examples[:NAMED])}


def _leaking_pairs(pairs: pd.DataFrame, learnt: set[str], tested: set[str]) -> dict[str, int]:
    a, b = pairs["image_a"], pairs["image_b"]
    out, back = a.isin(learnt) & b.isin(tested), b.isin(learnt) & a.isin(tested)
    touched = set(pairs.loc[out, "image_b"]) | set(pairs.loc[back, "image_a"]) | (learnt & tested)
    return {"duplicate_pairs": int((out | back).sum()), "test_with_duplicate": len(touched)}


def _shared(origin: pd.Series | None, learnt_from: set[str], tested_on: set[str], column: str) -> dict[str, float]:
    known = pd.Series(dtype=object)
    if origin is not None:
        known = origin.reindex(sorted(learnt_from | tested_on)).dropna()
    if known.empty:
        return {f"shared_{column}s": np.nan, f"test_with_{column}": np.nan}
    learnt = set(known[known.index.isin(learnt_from)])
    test = known[known.index.isin(tested_on)]
    shared = test[test.isin(learnt)]
    return {f"shared_{column}s": shared.nunique(), f"test_with_{column}": len(shared)}


def cohorts_table(inputs: Inputs) -> pd.DataFrame:
    """Table `cohorts`, from tables of every cohort and `duplicates`; settings `cohorts` (the sources' own numbers of
    images by label, by cohort) and `tasks`."""
    kinds = ("manifests", "qualities", "rejects", "names", "left_out", "warnings")
    manifests, qualities, rejects, *listed = (inputs.by_folder(name) for name in kinds)
    published = inputs.settings["cohorts"]
    files = {
        name: CohortFiles(manifests[name], qualities[name], rejects[name], *(tables.get(name) for tables in listed))
        for name in published
        if name in manifests
    }
    tasks = {name: Task.model_validate(task) for name, task in inputs.settings["tasks"].items()}
    return cohorts(files, inputs.table("duplicates"), published, tasks)


def label_conflicts_table(inputs: Inputs) -> pd.DataFrame:
    """Table `label_conflicts`, from `duplicates`; pairs of pooled cohorts are those of the cohorts `measured`."""
    pairs = inputs.table("duplicates")
    return label_conflicts(pairs[pairs["cohort_a"].isin(inputs.settings["measured"])])


def audit_table(inputs: Inputs) -> pd.DataFrame:
    """Table `audit`, from every split of `splits`, `duplicates`, `groups` and `manifests`."""
    manifests = inputs.by_folder("manifests")
    return audit(splits_by_name(inputs), inputs.table("duplicates"), inputs.table("groups"), manifests)


def splits_by_name(inputs: Inputs) -> dict[tuple[str, str, str], pd.DataFrame]:
    """Splits by cohort, task and protocol, which their files, COHORT.TASK.PROTOCOL.parquet, are called by."""
    splits = {}
    for path in inputs.paths("splits"):
        parts = path.stem.split(".")
        if len(parts) != 3:
            raise LeukoFlowError(f"{path}: is no split's name; expected COHORT.TASK.PROTOCOL.parquet")
        splits[parts[0], parts[1], parts[2]] = read_table(path)
    return splits
