"""Cohorts that are a tree of images: what is listed, under which label, and what is left out.

Images have the columns path (posix, relative to the root, as the disk has it), label, patient, slide, site, mask and
given (the label before `labels`), all text, null if unknown (path never is), sorted by path. All but the paths are in
their `plain` form. Files are listed by name alone; whether they can be read is found when they are measured, so that a
missing or damaged file ends among the rejects with its name.
"""

import logging
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from leukoflow.cohorts.account import EXCLUDED, MASK, REJECTED, TABLE, LeftOut, composed, mask_path
from leukoflow.cohorts.tables import read_rows
from leukoflow.config.cohorts import Columns, Files
from leukoflow.config.errors import nearest
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.names import Disk, plain, skeleton
from leukoflow.core.walk import PICTURES, Level, is_picture, walk

log = logging.getLogger("leukoflow")

COLUMNS = ("path", "label", "patient", "slide", "site", "mask", "given")
"""Columns of a listing."""


@dataclass(frozen=True)
class Listing:
    """What a cohort holds."""

    images: pd.DataFrame
    """See the module."""
    left_out: pd.DataFrame
    """The other files: path, kind and reason (`account.LEFT_OUT`)."""
    warnings: list[str]
    """What of the config fits nothing, a sentence each."""


def list_folder(root: Path, files: Files) -> Listing:
    """List the images of a cohort below `root`, from its table or by walking the tree, and account for other files.

    In a tree, the label is that of the nearest folder (below `files.folder`) that `files.labels` names, or without
    `labels` the name of the image's own folder; other images, and those directly in the root, have none. What is left
    out: masks that `masks` names (also those whose image is not there), what `exclude` matches, the table, hidden files
    and others that systems leave (`core.walk`), and files that are no image by their name. A name that is not UTF-8 is
    listed with its odd bytes as `\\udcXX`; no such file exists, so it is rejected by that name. In a table, a listed
    file need not exist; an image that it does not list is rejected.

    Raises LeukoFlowError: folder, table or column missing, a path outside the root, no image at all, or none labelled
    though `labels` are given.

    With `label_pattern`, the first group of its first match in the path is the label. With `masks`, the column mask
    holds the path of each image's mask if that file is there, or what the table's column of masks says.
    """
    files = _located(root, files)
    warnings: list[str] = []
    levels = _levels(root, files)
    listed = _from_table(root, files, levels, warnings) if files.table else _from_tree(root, files, levels, warnings)
    images, left_out = listed
    images = images.sort_values("path", kind="stable", ignore_index=True)
    if files.masks and not files.columns.mask and len(images):
        images["mask"] = _masks(root, files, images["path"], left_out)
    if images.empty:
        there = ", ".join(f"{count} {kind}" for kind, count in left_out.counts().items())
        raise LeukoFlowError(
            f"{root / files.folder}: holds no image ({' '.join(PICTURES)}); check root, folder, exclude, masks"
            + (f"; left out: {there}" if there else "")
        )
    images = images.reindex(columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS, "string"))
    for path in images["mask"].dropna():
        left_out.rows.setdefault(path, (MASK, ""))
    if files.table:
        left_out.rows.setdefault(posixpath.normpath(files.table), (TABLE, ""))
    warnings += left_out.warnings(levels)
    rest = left_out.table()
    return Listing(images, rest.assign(path=rest["path"].map(_storable)), warnings)


def _located(root: Path, files: Files) -> Files:
    """With folder and table as the disk has their names."""
    disk = Disk(root)
    named = {"folder": files.folder, "table": files.table}
    return files.model_copy(update={key: disk.find(name) or name for key, name in named.items() if name})


def _levels(root: Path, files: Files) -> list[Level]:
    """The folders of the tree. One that is missing is an error, unless a table says what to look for."""
    start = root / files.folder.strip("/")
    if not start.is_dir():
        if files.table:
            return []
        near = nearest(files.folder, (entry.name for entry in os.scandir(root) if entry.is_dir()))
        raise LeukoFlowError(f"{root}: holds no folder {files.folder!r}{near}")
    return list(walk(start))


def _paths(levels: Iterable[Level], prefix: str) -> Iterator[str]:
    """Paths of all files of the tree, relative to the root."""
    return (posixpath.join(prefix, level.folder, name) for level in levels for name in level.files)


def _from_tree(root: Path, files: Files, levels: list[Level], warnings: list[str]) -> tuple[pd.DataFrame, LeftOut]:
    prefix = files.folder.strip("/")
    left_out = LeftOut(files, filter(is_picture, _paths(levels, prefix)), _paths(levels, prefix))
    paths: list[str] = []
    labels: list[str | None] = []
    sources: list[str | None] = []
    names: set[str] = set()
    pattern = re.compile(composed(files.label_pattern)) if files.label_pattern else None
    for level in levels:
        left_out.note_unread(level)
        kept = [path for path in _paths([level], prefix) if left_out.keeps(path)]
        if not kept:
            continue
        paths.extend(kept)
        if pattern:
            inside = (composed(path.removeprefix(f"{prefix}/")) for path in kept)
            texts = [_plain(match.group(1)) if (match := pattern.search(path)) else None for path in inside]
            names.update(text for text in texts if text is not None)
            sources.extend(texts)
            labels.extend(files.labels.get(text or "") if files.labels else text for text in texts)
        else:
            parts = level.folder.split("/") if level.folder else []
            names.update(map(plain, parts))
            source = _folder_label(parts, files.labels)
            sources.extend([source] * len(kept))
            labels.extend([files.labels.get(source or "") if files.labels else source] * len(kept))
    what = "file" if pattern else "folder with images"
    _check_labels(files.labels, names, labels, str(root / files.folder), what, warnings)
    listing = {"path": [_storable(path) for path in paths], "label": labels, "given": sources}
    return pd.DataFrame(listing, dtype=object), left_out


def _folder_label(parts: list[str], labels: Mapping[str, str]) -> str | None:
    """The name of the nearest folder that is in `labels`, else of one that looks like such a name, else of the last."""
    names = [name for part in reversed(parts) if (name := _plain(_storable(part)))]
    if not labels:
        return _plain(_storable(parts[-1])) if parts else None
    near = set(map(skeleton, labels))
    named = [name for name in names if name in labels] or [name for name in names if skeleton(name) in near] or names
    return next(iter(named), None)


def _plain(text: str | None) -> str | None:
    """None for a name of which nothing is left."""
    return plain(text or "") or None


def _storable(text: str) -> str:
    """Text that Parquet can hold: bytes that are not UTF-8 are written out as `\\udcXX`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _masks(root: Path, files: Files, paths: pd.Series, left_out: LeftOut) -> list[str | None]:
    """Path of each image's mask, None if the file is not there. Raises LeukoFlowError if none is."""
    masks = files.masks
    assert masks is not None
    wanted = [mask_path(masks.path, path, files.folder.strip("/")) for path in paths]
    # Those that the walk has met are there.
    met = {path for path, (kind, _) in left_out.rows.items() if kind == MASK}
    disk = Disk(root)
    mask_files = [path if path in met else disk.find(path) for path in wanted]
    mask_files = [path if path in met or (path and (root / path).is_file()) else None for path in mask_files]
    missing = mask_files.count(None)
    if missing == len(mask_files):
        raise LeukoFlowError(f"{root}: holds no mask such as {wanted[0]} (masks.path); check the pattern")
    if missing:
        log.info("%d of %d images have no mask", missing, len(mask_files))
    return mask_files


def _check_labels(
    labels: Mapping[str, str],
    carried: set[str],
    image_labels: list[str | None],
    where: str,
    what: str,
    warnings: list[str],
) -> None:
    """Raise where `labels` are given and nothing has any of them; warn of a name that nothing carries."""
    if not labels or not image_labels:
        return
    names = {_storable(name) for name in carried}
    if all(label is None for label in image_labels):
        wanted = next(iter(labels))
        raise LeukoFlowError(f"{where}: no {what} is named as in labels ({wanted!r} ...){nearest(wanted, names)}")
    for name in labels:
        if name not in names:
            warnings.append(f"labels: no {what} is named {name!r} in {where}{nearest(name, names)}")


def _from_table(root: Path, files: Files, levels: list[Level], warnings: list[str]) -> tuple[pd.DataFrame, LeftOut]:
    source = root / str(files.table)
    columns = files.columns.model_dump(exclude={"path_pattern", "path_digits"}, exclude_none=True)
    listing = read_rows(source, columns)
    listing = listing.reindex(columns=[*COLUMNS, "line"]).astype(object).where(lambda table: table.notna(), None)
    if listing["path"].isna().any():
        raise LeukoFlowError(f"{source}: row {_first(listing, listing['path'].isna())} has no path")
    disk = Disk(root)
    for name, columns_of in (("path", files.columns), ("mask", Columns())):
        outside = listing[name].map(_outside, na_action="ignore").eq(True)
        if outside.any():
            raise LeukoFlowError(
                f"{source}: row {_first(listing, outside)}: {name} is not below the root; write it relative to it"
            )
        paths = (None if path is None else _on_disk(disk, path, columns_of) for path in listing[name])
        listing[name] = pd.Series(list(paths), index=listing.index, dtype=object)
    listing["given"] = listing["label"]
    listing = _without_repeats(listing.drop(columns="line"), source)
    prefix = files.folder.strip("/")
    left_out = LeftOut(files, listing["path"], _paths(levels, prefix), listing["mask"].dropna())
    everything = set(listing["path"])
    out = {path: EXCLUDED for path in everything if left_out.excludes(path)}
    masks = [path for path in listing["path"] if left_out.is_mask(path)]
    if masks:
        warnings.append(f"{source}: lists {len(masks)} masks as images, such as {masks[0]}; they are left out")
    out |= dict.fromkeys(masks, MASK)
    left_out.rows |= {path: (kind, "") for path, kind in out.items()}
    listing = listing[~listing["path"].isin(out)].copy()
    for level in levels:
        left_out.note_unread(level)
        for path in _paths([level], prefix):
            if path not in everything and left_out.keeps(path):
                left_out.rows[path] = REJECTED, f"not listed in {files.table}"
    if files.labels:
        names = set(listing["label"].dropna())
        mapped = listing["label"].map(lambda text: files.labels.get(text), na_action="ignore")
        listing["label"] = mapped.astype(object).where(mapped.notna(), None)
        _check_labels(files.labels, names, list(listing["label"]), str(source), "label", warnings)
    return listing, left_out


def _on_disk(disk: Disk, path: str, columns: Columns) -> str:
    """The file that a table means: as it is written, else with slashes for backslashes; else the name for a reject."""
    for name in (path, _posix(path)):
        file = disk.find(_from_id(posixpath.normpath(name), columns))
        if file is not None:
            return file
    return _from_id(_posix(path), columns)


def _from_id(path: str, columns: Columns) -> str:
    return columns.path_pattern.replace("{path}", path.zfill(columns.path_digits))


def _outside(path: str) -> bool:
    slashed = _posix(path)
    return slashed.startswith("/") or ".." in slashed.split("/") or re.match(r"[A-Za-z]:", slashed) is not None


def _posix(path: str) -> str:
    return posixpath.normpath(plain(path).replace("\\", "/"))


def _without_repeats(listing: pd.DataFrame, source: Path) -> pd.DataFrame:
    """Drop rows that say the same twice; two rows that say different things of one image are an error."""
    once = listing.drop_duplicates()
    repeated = once["path"].duplicated()
    if repeated.any():
        raise LeukoFlowError(f"{source}: {once.loc[repeated, 'path'].iloc[0]} is listed twice with different entries")
    if len(once) < len(listing):
        log.warning("%s: %d repeated rows left out", source, len(listing) - len(once))
    return once


def _first(listing: pd.DataFrame, rows: pd.Series) -> int:
    """Line of the first true row, as a text editor counts (the header is line 1)."""
    return int(listing["line"][rows.to_numpy(bool)].iloc[0])


def report_labels(listing: pd.DataFrame, expected: Mapping[str, int]) -> None:
    """Log how many images each label has; a warning where the source says another number."""
    counts = {str(label): int(number) for label, number in listing["label"].value_counts().items()}
    for label in sorted({*counts, *expected}):
        count, told = counts.get(label, 0), expected.get(label)
        if told is None or told == count:
            log.info("%s: %d images", label, count)
        else:
            log.warning("%s: %d images, where the source says %d", label, count, told)
    if unlabelled := int(listing["label"].isna().sum()):
        log.info("without a label: %d images", unlabelled)
