"""What lies in a folder of images, found without being told: classes, patients, masks, sizes. Nothing is changed."""

import csv
import io
import posixpath
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from PIL import Image, UnidentifiedImageError

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.walk import is_picture, walk

SAMPLED = 200
"""Images whose headers are read."""
HALF = 0.5
"""Share of the images that must fit a guess."""
MOST = 0.8
"""Share of the rows of a table that must have an image by a pattern."""
MOST_CLASSES = 30
FEWEST_PATIENTS = 4
PREFIX = r"(?:^|/)([A-Za-z]+)[_-][^/]*$"
"""A label that a file's name begins with: `baso_001.jpg`."""
_ROLES = ("train", "training", "test", "testing", "val", "valid", "validation", "images", "image", "img", "data")
_NO_LABELS = ("unlabelled", "unlabeled", "unknown", "nolabel")
_LABELS = ("label", "class", "diagnosis", "category", "type", "celltype", "subtype", "target", "y")
_PATIENTS = ("patient", "subject", "case", "donor", "person", "mrn")
_SLIDES = ("slide", "smear")
_SITES = ("site", "hospital", "laboratory", "lab", "scanner", "centre", "center")
_PATHS = ("path", "file", "filename", "image", "img", "name", "imagename", "imagepath", "imageid", "id")
_MASKS = ("mask", "masks", "groundtruth", "gt", "segmentation", "segmentations", "groundtruths")
_MASK_ENDINGS = ("_mask", "-mask", "_msk", "_seg", "_gt")
_NAMED_PATIENT = re.compile(r"(?:^|[^a-z])(?:patient|pat|subject|subj|case|donor)[ _-]?(\w*?\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Found:
    """What was found. Paths are posix and relative to the root."""

    root: Path
    images: int
    labels: dict[str, int]
    """Images of each label, by name; of a tree, the folders that are labels."""
    unlabelled: int
    sizes: list[tuple[int, int]]
    """Width and height of a sample."""
    unreadable: int
    """Images of the sample whose header cannot be read."""
    table: str | None = None
    """CSV table that lists the images."""
    columns: dict[str, str] = field(default_factory=dict)
    """Its columns by LeukoFlow's keys, `path_pattern` among them if the table holds names without folders."""
    patients: int = 0
    """Patients that the table names."""
    named_patients: int = 0
    """Patients that the images' paths seem to name, which a table would have to."""
    masks: str | None = None
    """Masks next to images, as `masks.path`."""
    coding: str = ""
    """Coding of the masks, as `masks.coding`."""
    pattern: str = ""
    """Where the label is in the names of files, as `label_pattern`."""


def look(root: Path) -> Found:
    """Look at a folder. LeukoFlowError if it is not a folder or holds no image that can be read."""
    if not root.is_dir():
        raise LeukoFlowError(f"{root}: is not a folder; give the folder that holds your images")
    files = [posixpath.join(level.folder, name) for level in walk(root) for name in level.files]
    pictures = [path for path in files if is_picture(path)]
    masks = _masks(pictures)
    images = [path for path in pictures if path not in masks[1]]
    if not images:
        raise LeukoFlowError(f"{root}: holds no image (JPEG, PNG, BMP or TIFF); give the folder that holds your images")
    sizes, unreadable = _sizes(root, images)
    named = _patients_of(images)
    found = Found(root, len(images), {}, len(images), sizes, unreadable)
    if len(named) >= FEWEST_PATIENTS:
        found = replace(found, named_patients=len(named))
    if masks[0]:
        found = replace(found, masks=masks[0], coding=_coding(root, sorted(masks[1])[:: max(1, len(masks[1]) // 8)]))
    for name in sorted((path for path in files if path.lower().endswith((".csv", ".tsv", ".txt"))), key=len):
        if told := _table(found, name, images):
            return told
    labels, pattern = _folders(images), ""
    if not labels and (labels := _prefixes(images)):
        pattern = PREFIX
    return replace(
        found, labels=dict(sorted(labels.items())), unlabelled=len(images) - sum(labels.values()), pattern=pattern
    )


def _folders(images: Sequence[str]) -> Counter[str]:
    """Images by the folder that seems to be their label: their own, or if those are many, the ones above them."""
    parents = [PurePosixPath(path).parent.parts for path in images]
    for depth in range(1, max(map(len, parents), default=0) + 1):
        # From the image upwards: class folders, or patients within class folders.
        counts = Counter(parts[-depth] for parts in parents if len(parts) >= depth)
        if {_key(name) for name in counts} <= {*_ROLES, *_NO_LABELS}:
            continue
        for name in [name for name in counts if _key(name) in _NO_LABELS]:
            del counts[name]
        if 2 <= len(counts) <= MOST_CLASSES and sum(counts.values()) >= HALF * len(images):
            above = Counter(parts[-depth - 1] for parts in parents if len(parts) > depth)
            # Folders that name patients within a few folders above are not classes.
            if not (len(counts) > 2 * len(above) > 3 and all(map(_NAMED_PATIENT.search, counts))):
                return counts
    return Counter()


def _prefixes(images: Sequence[str]) -> Counter[str]:
    """Images by the letters that their names begin with, if these are few and have many images each."""
    found = [match[1] for path in images if (match := re.search(PREFIX, path))]
    counts = Counter(found)
    few = 2 <= len(counts) <= MOST_CLASSES and min(counts.values(), default=0) >= 3
    return counts if few and len(found) >= 0.9 * len(images) else Counter()


def _patients_of(images: Sequence[str]) -> set[str]:
    """Patients that paths name in words (`patient_07`, `case12`), if most of them do."""
    found = [match[1] for path in images if (match := _NAMED_PATIENT.search(path))]
    return set(found) if len(found) >= HALF * len(images) else set()


def _masks(pictures: Sequence[str]) -> tuple[str | None, set[str]]:
    """Pattern of the masks and which files they are: those of a folder or ending that says so, with an image each."""
    by_folder: dict[str, set[str]] = {}
    for path in pictures:
        by_folder.setdefault(posixpath.dirname(path), set()).add(posixpath.basename(path))
    for folder, names in sorted(by_folder.items()):
        if _key(posixpath.basename(folder)) in _MASKS:
            stems = {
                posixpath.splitext(name)[0]
                for path in pictures
                if (name := posixpath.basename(path)) not in names or posixpath.dirname(path) != folder
            }
            endings = Counter(
                (end, suffix)
                for name in names
                for stem, suffix in [posixpath.splitext(name)]
                for end in ("", *_MASK_ENDINGS)
                if stem.endswith(end) and stem.removesuffix(end) in stems
            )
            if endings:
                (end, suffix), count = endings.most_common(1)[0]
                if count >= HALF * len(names):
                    inside = {posixpath.join(folder, name) for name in names}
                    return posixpath.join(folder, f"{{stem}}{end}{suffix}"), inside
    there = set(pictures)
    for end in _MASK_ENDINGS:
        masks = {path for path in pictures if posixpath.splitext(path)[0].lower().endswith(end)}
        suffixes = Counter(posixpath.splitext(path)[1] for path in masks)
        plain = {posixpath.splitext(path)[0][: -len(end)] for path in masks}
        images = {path for path in there - masks if posixpath.splitext(path)[0] in plain}
        if masks and len(images) >= HALF * len(masks):
            return f"{{folder}}/{{stem}}{end}{suffixes.most_common(1)[0][0]}", masks
    return None, set()


def _coding(root: Path, masks: Sequence[str]) -> str:
    """How masks seem to be coded, by the levels of a sample."""
    most = 0
    for path in masks:
        try:
            with Image.open(root / path) as image:
                colours = image.convert("RGB").getcolors(256)
        except (OSError, ValueError):
            continue
        most = max(most, len(colours) if colours else 257)
    return "foreground" if most <= 2 else "inferred" if most <= 4 else "ids" if most <= 256 else "foreground"


def _sizes(root: Path, images: Sequence[str]) -> tuple[list[tuple[int, int]], int]:
    sample = images[:: max(1, len(images) // SAMPLED)][:SAMPLED]
    sizes, unreadable = [], 0
    for path in sample:
        try:
            with Image.open(root / path) as image:
                sizes.append(image.size)
        except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
            unreadable += 1
    return sizes, unreadable


def _table(found: Found, name: str, images: Sequence[str]) -> Found | None:
    """With what a CSV table says of the images, if one of its columns names most of them and another may be a label."""
    try:
        text = (found.root / name).read_text(encoding="utf-8-sig")
        dialect = csv.Sniffer().sniff(text[:4096], delimiters=",;\t|")
        rows = list(csv.DictReader(io.StringIO(text), dialect=dialect))
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not rows or not rows[0]:
        return None
    header = [column for column in rows[0] if column]
    values = {column: [(row.get(column) or "").strip() for row in rows] for column in header}
    named = _naming(values, header, images)
    if named is None:
        return None
    path_column, pattern, digits, known = named
    if sum(known) < HALF * len(images):
        return None
    rest = [column for column in header if column != path_column]
    label = _column(rest, _LABELS) or next((c for c in rest if 2 <= len(set(values[c]) - {""}) <= MOST_CLASSES), None)
    columns = {"path": path_column}
    if pattern:
        columns["path_pattern"] = pattern
    if digits:
        columns["path_digits"] = str(digits)
    labels: Counter[str] = Counter()
    if label:
        columns["label"] = label
        labels = Counter(value for value, there in zip(values[label], known, strict=True) if value and there)
    for key, names in (("patient", _PATIENTS), ("slide", _SLIDES), ("site", _SITES)):
        if column := _column([c for c in rest if c != label], names):
            columns[key] = column
    patients = len(set(values[columns["patient"]]) - {""}) if "patient" in columns else 0
    unlabelled = len(images) - sum(labels.values())
    return replace(
        found, table=name, columns=columns, labels=dict(sorted(labels.items())), patients=patients,
        unlabelled=unlabelled, named_patients=0 if patients else found.named_patients,
    )  # fmt: skip


def _naming(
    values: dict[str, list[str]], header: Sequence[str], images: Sequence[str]
) -> tuple[str, str, int, list[bool]] | None:
    """Column that names the images, the pattern of their paths (empty if they are whole), the digits that ids are
    filled up to (0 for none), and which rows have an image."""
    there = set(images)
    stems = {posixpath.basename(path): path for path in images}
    stems |= {posixpath.splitext(posixpath.basename(path))[0]: path for path in images}
    first = [column for column in header if _key(column) in _PATHS]
    for column in [*first, *(column for column in header if column not in first)]:
        cells = values[column]
        whole = [cell in there for cell in cells]
        if sum(whole) >= HALF * len(cells):
            return column, "", 0, whole
        digits = max((len(cell) for cell in cells if cell.isdigit()), default=0)
        for width in (0, *range(digits, digits + 5)) if digits else (0,):
            filled = [cell.zfill(width) if cell.isdigit() else cell for cell in cells]
            found = [(cell, stems[cell]) for cell in filled if cell in stems]
            patterns = Counter(path.replace(cell, "{path}") for cell, path in found if path.count(cell) == 1)
            if patterns and (best := patterns.most_common(1)[0])[1] >= MOST * len(cells):
                return column, best[0], width, [best[0].replace("{path}", cell) in there for cell in filled]
    return None


def _column(columns: Sequence[str], names: Sequence[str]) -> str | None:
    """The column of one of these names, or that begins with one (`patient_id`)."""
    exact = [column for name in names for column in columns if _key(column) == name]
    begins = [column for name in names for column in columns if len(name) > 2 and _key(column).startswith(name)]
    return next(iter([*exact, *begins]), None)


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())
