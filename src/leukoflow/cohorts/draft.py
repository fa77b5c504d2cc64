"""A study for a folder of images that was looked at: YAML of some forty lines, and what it could not decide."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from leukoflow.cohorts.look import Found
from leukoflow.config.ready import entries
from leukoflow.core.errors import LeukoFlowError

FEWEST = 20
"""Images of a class below which it cannot be divided into roles and trained on."""
LARGEST = 128
STEPS = 1500
"""Steps that a network is trained for, at least about."""
RATE = 80.0
"""Images of 112 pixels a second that NeurALLNet is trained on by one core; measured on two cores of a server."""
PREPARED = 0.25
"""Core seconds that an image takes besides: decoded, measured, compared, rendered, predicted, tested under changes."""
OVERHEAD = 300.0
"""Core seconds of a study however small: starting steps, figures, report."""


@dataclass(frozen=True)
class Draft:
    """A study and what to know of it."""

    text: str
    """YAML."""
    hours: float
    """About how long it takes on this machine."""
    notes: tuple[str, ...]
    """What was found and what was left out, a sentence each."""


def draft(found: Found, name: str, cores: int) -> Draft:
    """A study of the images that were found. LeukoFlowError if they have fewer than two classes."""
    kept = {label: count for label, count in found.labels.items() if count >= FEWEST}
    few = {label: count for label, count in found.labels.items() if count < FEWEST}
    if len(kept) < 2:
        raise LeukoFlowError(_no_classes(found, kept, few))
    strict = "patient" if found.patients >= 3 * len(kept) else "acquisition"
    notes = [f"{found.images} images, {len(kept)} classes: " + ", ".join(f"{k} ({n})" for k, n in kept.items())]
    notes += [
        f"class {label} is left out: {count} images are too few (fewest {FEWEST})" for label, count in few.items()
    ]
    if found.unlabelled:
        notes.append(f"{found.unlabelled} images have no label and take no part")
    if found.unreadable:
        notes.append(
            f"{found.unreadable} of {found.unreadable + len(found.sizes)} files looked at cannot be read as images"
        )
    if strict == "acquisition":
        notes.append("patients are not known: images that look alike in background and stain are kept together instead")
    head = [
        f"# Written by leukoflow init for {found.root}. Every key is explained in config/README.md.",
        *(f"# {line}" for line in [*notes, *_questions(found, strict)]),
    ]
    cohort = [f"  {name}:", *("    " + line for line in _cohort(found))]
    return _written(name, found.root.name, head, cohort, kept, _side(found.sizes), strict, cores, notes)


def entry_draft(entry: str, name: str, cores: int) -> Draft:
    """A short study of a ready entry. LeukoFlowError for an unknown one."""
    known = entries()
    if entry not in known:
        raise LeukoFlowError(f"--entry {entry}: unknown entry; known: {', '.join(sorted(known))}")
    labels = list(dict.fromkeys((known[entry].get("labels") or {}).values()))
    if len(labels) < 2:
        raise LeukoFlowError(f"--entry {entry}: has no labels of its own, so no study of it alone can be written")
    images = int(known[entry].get("images", 1024))
    classes = dict.fromkeys(labels, max(FEWEST, images // len(labels)))
    head = [f"# Written by leukoflow init for the ready entry {entry}. Every key is explained in config/README.md."]
    cohort = [f"  {name}: {{entry: {entry}}}"]
    notes = [f"{images} images, {len(labels)} classes: {', '.join(labels)}"]
    return _written(name, entry, head, cohort, classes, LARGEST, "acquisition", cores, notes)


def _written(
    name: str,
    shown: str,
    head: Sequence[str],
    cohort: Sequence[str],
    classes: Mapping[str, int],
    side: int,
    strict: str,
    cores: int,
    notes: Sequence[str],
) -> Draft:
    """The study; head and cohort are lines, classes have their numbers of images."""
    total = sum(classes.values())
    epochs = min(60, max(8, math.ceil(STEPS * 16 / (0.8 * total))))
    text = "\n".join(
        [
            *head,
            f"study: {name}",
            f"title: {_quoted(f'Images of {shown}')}",
            "",
            "cohorts:",
            *cohort,
            "",
            "tasks:",
            f"  classes_of_{name}:",
            f"    classes: [{', '.join(map(_quoted, classes))}]",
            "",
            "views:",
            f"  plain: {{kind: plain, size: {side}}}",
            f"  background: {{kind: background, size: {side}}}",
            "",
            "splits: {test: 0.2, validation: 0.1}",
            "segmentation: {method: threshold}",
            "",
            "models:",
            "  colour_histogram: {architecture: colour_histogram}",
            "  neurallnet:",
            "    architecture: neurallnet",
            "    training:",
            f"      epochs: {epochs}",
            "      batch_size: 16",
            "      optimiser: adamw",
            "      learning_rate: 0.002",
            "      schedule: {kind: cosine, warmup: 1}",
            f"      patience: {epochs}",
            "      weighted_loss: true",
            "      augmentation: {rotation: 20, flip_horizontal: true, flip_vertical: true, stain: {share: 0.2}}",
            "",
            "experiments:",
            "  models: &models",
            f"    cohort: {name}",
            f"    task: classes_of_{name}",
            "    views: [plain]",
            f"    protocols: [image, {strict}]",
            "    models: [colour_histogram, neurallnet]",
            "    reference: colour_histogram",
            "  # What is known without any cell.",
            "  shortcuts: {<<: *models, views: [background], models: [colour_histogram], checks: []}",
            "",
            "evaluation:",
            "  robustness: {images: 60}",
            "",
        ]
    )
    return Draft(text, _hours(total, side, epochs, cores), tuple(notes))


def _no_classes(found: Found, kept: dict[str, int], few: dict[str, int]) -> str:
    if found.labels:
        counts = ", ".join(f"{label} ({count})" for label, count in found.labels.items())
        return (
            f"{found.root}: two classes of {FEWEST} images or more are needed, there are {len(kept)} ({counts}); "
            "add images, or join classes with the key labels of a study of your own"
        )
    return (
        f"{found.root}: {found.images} images without a label; put those of each class into a folder of its own, or "
        "add a table (CSV) with a column of file names and one of labels"
    )


def _cohort(found: Found) -> list[str]:
    lines = ["kind: folder", f"root: {_quoted(str(found.root.resolve()))}", f"images: {found.images}"]
    if found.table:
        lines.append(f"table: {_quoted(found.table)}")
        columns = {key: name if key == "path_digits" else _quoted(name) for key, name in found.columns.items()}
        lines.append("columns: {" + ", ".join(f"{key}: {name}" for key, name in columns.items()) + "}")
    else:
        if found.pattern:
            lines.append(f"label_pattern: {_quoted(found.pattern)}")
        lines.append("labels: {" + ", ".join(f"{_quoted(k)}: {_quoted(k)}" for k in found.labels) + "}")
    if found.masks:
        lines.append(f"masks: {{path: {_quoted(found.masks)}, coding: {found.coding}}}")
    return lines


def _questions(found: Found, strict: str) -> list[str]:
    """What only the owner of the images knows, as comments."""
    asked = ["To decide: is the scale known? Then add um_per_pixel to the cohort (micrometres a pixel)."]
    if strict == "acquisition":
        if found.named_patients:
            asked.append(
                f"To decide: file names seem to name {found.named_patients} patients. List them in a table (columns "
                "path, label, patient) and use the protocol patient."
            )
        else:
            asked.append(
                "To decide: which images are of one patient? Name them in a table, and use the protocol patient."
            )
    if found.masks:
        asked.append(f"To decide: are the masks {found.masks} drawn by experts, and coded as {found.coding}?")
    if len({size[0] / size[1] for size in found.sizes}) > 1 or len(set(found.sizes)) > 3:
        asked.append(
            "To decide: images have several sizes. If they were taken at several scales, sizes tell the class."
        )
    return asked


def _side(sizes: Sequence[tuple[int, int]]) -> int:
    """Side of the pictures that networks see: that of the images, at most `LARGEST`, a multiple of 16."""
    middle = median(max(size) for size in sizes) if sizes else LARGEST
    return int(max(48, min(LARGEST, 16 * round(middle / 16))))


def _hours(images: int, side: int, epochs: int, cores: int) -> float:
    training = 2 * epochs * 0.8 * images / (RATE * (112 / side) ** 2)
    return (training + PREPARED * images + OVERHEAD) / min(cores, 4) / 3600


def study_name(folder: Path) -> str:
    """A name for a study from that of a folder: lower case letters, digits, underscores; it begins with a letter."""
    name = re.sub(r"[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_")
    return name if re.match(r"[a-z]", name) else f"study_{name}".rstrip("_")


def _quoted(text: str) -> str:
    """As YAML: plain if nothing in it could be taken for something else."""
    return text if re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", text) and text.lower() not in _WORDS else json.dumps(text)


_WORDS = {"y", "n", "yes", "no", "true", "false", "on", "off", "null", "none", "nan"}
