"""The walk over a folder of images, the same for cohorts and for `leukoflow predict`.

Every file is met once. Linked folders are followed, after all others and once, so that a link that leads back ends.
Files that systems and editors leave behind are distinguished by name: hidden ones (`._1.jpg`, `.ipynb_checkpoints`),
`__MACOSX`, `Thumbs.db`, backups. Nothing is opened, and no file's state is asked for unless it is a link.
"""

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from leukoflow.core.errors import LeukoFlowError

PICTURES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff")
"""Suffixes of image files that can be read, in lower case."""
OTHER_PICTURES = (
    ".heic", ".heif", ".avif", ".webp", ".gif", ".jp2", ".j2k", ".jxl", ".jxr", ".svg", ".psd", ".ppm", ".pgm", ".tga",
    ".exr", ".dcm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".svs", ".ndpi", ".mrxs", ".scn", ".czi", ".lif", ".nd2",
    ".vsi", ".bif", ".oir", ".ims", ".raw",
)  # fmt: skip
"""Suffixes of image files that cannot be read."""
_LITTER_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"}
_LITTER_FILES = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"}
_SUFFIX = re.compile(r"\.[a-z][a-z0-9]{0,9}")


class Level(NamedTuple):
    """What one folder holds; names are in order."""

    folder: str
    """Posix path relative to the start, empty for the start itself."""
    files: list[str]
    """Names of files, and of links to files, whether those are there or not."""
    litter: list[str]
    """Files of systems and editors; below folders that are litter as a whole, with their path from here."""
    special: list[str]
    """Names of pipes, devices and links that lead back to themselves; reading one might never end."""


def walk(start: Path) -> Iterator[Level]:
    """Each folder from `start` on, linked ones last and once. LeukoFlowError if a folder cannot be read."""
    pending, links, seen = [""], list[str](), set[tuple[int, int]]()
    while pending or links:
        folder = pending.pop() if pending else links.pop(0)
        full = start / folder
        try:
            where, entries = full.stat(), sorted(os.scandir(full), key=lambda entry: entry.name)
        except OSError as error:
            raise LeukoFlowError(f"{full}: cannot be read ({error.strerror}); allow reading it") from error
        if (where.st_dev, where.st_ino) in seen:
            continue
        seen.add((where.st_dev, where.st_ino))
        level = Level(folder, [], [], [])
        for entry in entries:
            kind = _kind(entry)
            if kind == "folder" and entry.name.lower() not in _LITTER_FOLDERS and not entry.name.startswith("."):
                (links if entry.is_symlink() else pending).append(posixpath.join(folder, entry.name))
            elif kind == "folder":
                level.litter.extend(_all_below(entry))
            elif _is_litter(entry.name):
                level.litter.append(entry.name)
            else:
                (level.files if kind == "file" else level.special).append(entry.name)
        yield level


def is_picture(name: str) -> bool:
    """Whether a file is an image that can be read, by its name."""
    return name.lower().endswith(PICTURES)


def why_not(name: str) -> str:
    """Why a file is not read as an image, by its name."""
    suffix = posixpath.splitext(name)[1].lower()
    if suffix in OTHER_PICTURES:
        return f"{suffix} images are not read; convert them to PNG or TIFF"
    # Of names such as scan.001 each would be a reason of its own.
    return f"no image by its name ({suffix if _SUFFIX.fullmatch(suffix) else 'no known suffix'})"


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_file(follow_symlinks=False):
            return "file"
        if entry.is_dir():
            return "folder"
        return "file" if entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists()) else "special"
    except OSError:  # a link that leads back to itself
        return "special"


def _is_litter(name: str) -> bool:
    lower = name.lower()
    return lower.startswith((".", "~$")) or lower.endswith("~") or lower in _LITTER_FILES


def _all_below(entry: os.DirEntry[str]) -> list[str]:
    """All files below a folder that is litter, links not followed, with its name before them."""
    if entry.is_symlink():
        return [entry.name]
    above = len(posixpath.dirname(entry.path)) + 1
    return sorted(posixpath.join(at, name)[above:] for at, _, names in os.walk(entry.path) for name in names)
