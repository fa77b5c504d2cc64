"""Cohorts that are a tree of images: what is listed, and under which label.

A listing has the columns path (posix, relative to the root, as the disk has it), label, patient, slide, site, mask and
given (the label before `labels`), all text, null where unknown but for path, sorted by path. All but the paths are in
their `plain` form. Files are listed by name alone; whether they can be read is found when they are measured, so that a
missing or damaged file ends among the rejects with its name.
"""

import fnmatch
import logging
import os
import posixpath
import re
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

import pandas as pd

from leukoflow.cohorts.tables import read_rows
from leukoflow.config.cohorts import Columns, Files
from leukoflow.config.errors import nearest
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import PICTURES
from leukoflow.core.names import Disk, plain, skeleton

log = logging.getLogger("leukoflow")

COLUMNS = ("path", "label", "patient", "slide", "site", "mask", "given")
"""Columns of a listing."""


_LITTER = "__MACOSX"


def list_folder(root: Path, files: Files) -> pd.DataFrame:
    """List the images of a cohort below `root`, from its table or by walking the tree; see the module for the columns.

    In a tree, the label is that of the nearest folder (below `files.folder`) that `files.labels` names, or without
    `labels` the name of the image's own folder; other images, and those directly in the root, have none. Hidden files
    and `__MACOSX` are left out. Linked folders are walked once. A name that is not UTF-8 is listed with its odd bytes
    as `\\udcXX`; no such file exists, so it is rejected by that name. In a table, a listed file need not exist.

    Raises LeukoFlowError: folder, table or column missing, a path outside the root, no image at all, or none labelled
    though `labels` are given.

    With `label_pattern`, the first group of its first match in the path is the label. With `masks`, the column mask
    holds the path of each image's mask where that file is there.
    """
    files = _located(root, files)
    paths_labels = _from_table(root, files) if files.table else _from_tree(root, files)
    listing = paths_labels.sort_values("path", kind="stable", ignore_index=True)
    if files.masks and len(listing):
        listing["mask"] = _masks(root, files, listing["path"])
    if listing.empty:
        raise LeukoFlowError(
            f"{root / files.folder}: holds no image ({' '.join(PICTURES)}); check root, folder, exclude"
        )
    return listing.reindex(columns=list(COLUMNS)).astype(dict.fromkeys(COLUMNS, "string"))


def _located(root: Path, files: Files) -> Files:
    """With folder and table as the disk has their names."""
    disk = Disk(root)
    named = {"folder": files.folder, "table": files.table}
    return files.model_copy(update={key: disk.find(name) or name for key, name in named.items() if name})


def _from_tree(root: Path, files: Files) -> pd.DataFrame:
    prefix = files.folder.strip("/")
    start = root / prefix
    if not start.is_dir():
        near = nearest(files.folder, (entry.name for entry in os.scandir(root) if entry.is_dir()))
        raise LeukoFlowError(f"{root}: holds no folder {files.folder!r}{near}")
    excluded = _matcher(files.exclude)
    paths: list[str] = []
    labels: list[str | None] = []
    sources: list[str | None] = []
    found: set[str] = set()
    pattern = re.compile(_composed(files.label_pattern)) if files.label_pattern else None
    for folder, names in _walk(start):
        parts = folder.split("/") if folder else []
        kept = [path for name in names if not excluded(path := posixpath.join(folder, name))]
        paths.extend(posixpath.join(prefix, path) for path in kept)
        if pattern:
            given = [_plain(match.group(1)) if (match := pattern.search(_composed(path))) else None for path in kept]
            found.update(each for each in given if each is not None)
            sources.extend(given)
            labels.extend(files.labels.get(each or "") if files.labels else each for each in given)
        else:
            found.update(map(plain, parts))
            source = _folder_label(parts, files.labels)
            sources.extend([source] * len(kept))
            labels.extend([files.labels.get(source or "") if files.labels else source] * len(kept))
    _check_labels(files.labels, found, labels, str(start), "file" if pattern else "folder")
    listing = {"path": [_storable(path) for path in paths], "label": labels, "given": sources}
    return pd.DataFrame(listing, dtype=object)


def _walk(start: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder (posix, relative to `start`) with its image names; linked folders last and once."""
    pending, links, seen = [""], list[str](), set[tuple[int, int]]()
    while pending or links:
        folder = pending.pop() if pending else links.pop(0)
        full = start / folder
        try:
            where, entries = full.stat(), sorted(os.scandir(full), key=lambda entry: entry.name)
        except OSError as error:
            raise LeukoFlowError(f"{full}: cannot be read ({error.strerror}); allow it or exclude it") from error
        if (where.st_dev, where.st_ino) in seen:
            continue
        seen.add((where.st_dev, where.st_ino))
        names: list[str] = []
        for entry in entries:
            if entry.name.startswith(".") or entry.name == _LITTER:
                continue
            if _is_folder(entry):
                (links if entry.is_symlink() else pending).append(posixpath.join(folder, entry.name))
            elif entry.name.lower().endswith(PICTURES) and _listable(entry):
                names.append(entry.name)
        yield folder, names


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _listable(entry: os.DirEntry[str]) -> bool:
    """A file, or a link to one that is not there; reading a pipe or a device would never end."""
    return Path(entry.path).is_file() or (entry.is_symlink() and not Path(entry.path).exists())


def _folder_label(parts: list[str], labels: Mapping[str, str]) -> str | None:
    """The name of the nearest folder that is in `labels`, else of one that looks like such a name, else of the last."""
    names = [name for part in reversed(parts) if (name := _plain(_storable(part)))]
    if not labels:
        return _plain(_storable(parts[-1])) if parts else None
    near = set(map(skeleton, labels))
    named = [name for name in names if name in labels] or [name for name in names if skeleton(name) in near] or names
    return next(iter(named), None)


def _composed(text: str) -> str:
    """Composed form: archives made on a Mac hold decomposed accents."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _plain(text: str | None) -> str | None:
    """None for a name of which nothing is left."""
    return plain(text or "") or None


def _storable(text: str) -> str:
    """Text that Parquet can hold: bytes that are not UTF-8 are written out as `\\udcXX`."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    if not patterns:
        return lambda path: False
    joined = re.compile("|".join(fnmatch.translate(_composed(pattern)) for pattern in patterns))
    return lambda path: joined.match(_composed(path)) is not None


def _masks(root: Path, files: Files, paths: pd.Series) -> list[str | None]:
    """Path of each image's mask, None where the file is not there. Raises LeukoFlowError where none is."""
    masks = files.masks
    assert masks is not None
    wanted = [mask_path(masks.path, path, files.folder) for path in paths]
    found = [path if (root / path).is_file() else None for path in wanted]
    missing = found.count(None)
    if missing == len(found):
        raise LeukoFlowError(f"{root}: holds no mask such as {wanted[0]} (masks.path); check the pattern")
    if missing:
        log.info("%d of %d images have no mask", missing, len(found))
    return found


def mask_path(pattern: str, image: str, folder: str) -> str:
    """Path of an image's mask, relative to the root as the image's own; `folder` holds the images."""
    path = PurePosixPath(image)
    parent = path.parent.relative_to(folder) if path.is_relative_to(folder) else path.parent
    found = pattern.replace("{folder}", parent.as_posix()).replace("{name}", path.name).replace("{stem}", path.stem)
    return posixpath.normpath(found)


def _check_labels(labels: Mapping[str, str], found: set[str], given: list[str | None], where: str, what: str) -> None:
    """Raise where `labels` are given and nothing has any of them; warn of a name that nothing carries."""
    if not labels or not given:
        return
    names = {_storable(name) for name in found}
    if all(label is None for label in given):
        wanted = next(iter(labels))
        raise LeukoFlowError(f"{where}: no {what} is named as in labels ({wanted!r} ...){nearest(wanted, names)}")
    for name in labels:
        if name not in names:
            log.warning("labels: no %s is named %r in %s", what, name, where)


def _from_table(root: Path, files: Files) -> pd.DataFrame:
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
    excluded, prefix = _matcher(files.exclude), files.folder.strip("/") + "/"
    listing = listing[~listing["path"].map(lambda path: excluded(path.removeprefix(prefix))).astype(bool)].copy()
    if files.labels:
        found = set(listing["label"].dropna())
        mapped = listing["label"].map(lambda text: files.labels.get(text), na_action="ignore")
        listing["label"] = mapped.astype(object).where(mapped.notna(), None)
        _check_labels(files.labels, found, list(listing["label"]), str(source), "label")
    return listing


def _on_disk(disk: Disk, path: str, columns: Columns) -> str:
    """The file that a table means: as it is written, else with slashes for backslashes; else the name for a reject."""
    for name in (path, _posix(path)):
        found = disk.find(_from_id(posixpath.normpath(name), columns))
        if found is not None:
            return found
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
        found, told = counts.get(label, 0), expected.get(label)
        if told is None or told == found:
            log.info("%s: %d images", label, found)
        else:
            log.warning("%s: %d images, where the source says %d", label, found, told)
    if unlabelled := int(listing["label"].isna().sum()):
        log.info("without a label: %d images", unlabelled)


def check_contents(root: Path, contents: pd.DataFrame) -> None:
    """Hold an unpacked folder against the list (path, bytes) made when it was unpacked.

    Raises LeukoFlowError naming the first file that is missing or of another size.
    """
    for path, size in zip(contents["path"], contents["bytes"], strict=True):
        try:
            found = (root / path).stat()
        except OSError:
            found = None
        if found is None or not stat.S_ISREG(found.st_mode) or found.st_size != size:
            state = "is missing" if found is None else "has changed"
            raise LeukoFlowError(f"{root / path} {state} since it was unpacked; delete {root} and run again")
