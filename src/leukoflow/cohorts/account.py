"""What the files of a cohort's tree are that are no images of it: masks, tables, excluded, litter, or rejected.

Every file is counted once, so that images and files left out add up to what the tree holds.
"""

import difflib
import fnmatch
import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import pandas as pd

from leukoflow.config.cohorts import Files
from leukoflow.core.names import composed
from leukoflow.core.walk import Level, is_picture, why_not

MASK, TABLE, EXCLUDED, LITTER, REJECTED = "mask", "table", "excluded", "litter", "rejected"
KINDS = (MASK, TABLE, EXCLUDED, LITTER, REJECTED)
"""Kinds of files that are left out of a listing."""
LEFT_OUT = ("path", "kind", "reason")
"""Columns of the table of files that are left out."""
ORPHAN = "the mask of no image"
_TRIED = 2000
"""Names that a pattern which matches nothing is compared with."""


class LeftOut:
    """Files that are left out, with their kind and, where it does not say it, the reason.

    files: the cohort. images: paths, relative to the root, of what may have a mask. present: those of all files.
    named: those that a table gives as masks.
    """

    def __init__(self, files: Files, images: Iterable[str], present: Iterable[str], named: Iterable[str] = ()) -> None:
        self.rows: dict[str, tuple[str, str]] = {}
        """Kind and reason by the path relative to the root."""
        self.prefix = files.folder.strip("/")
        self._table = posixpath.normpath(files.table) if files.table else None
        self._pattern = files.masks.path if files.masks and not files.columns.mask else None
        self._named = mask_expression(self._pattern) if self._pattern else None
        # In composed form: an image and its mask may have been copied by different systems.
        self._present = set(map(composed, present)) if self._pattern else set()
        self._masks = set(map(composed, named))
        if self._pattern:
            self._masks |= {composed(mask_path(self._pattern, image, self.prefix)) for image in images}
        self._expressions = [(pattern, re.compile(fnmatch.translate(composed(pattern)))) for pattern in files.exclude]
        self._any = re.compile("|".join(expression.pattern for _, expression in self._expressions) or r"(?!)")
        self.unmatched = list(files.exclude)
        """Patterns of `exclude` that no file has matched so far."""

    def why(self, path: str) -> tuple[str, str] | None:
        """Kind and reason of a file, by its path relative to the root; None for what may be an image.

        A mask is a mask also if a pattern excludes it: so masks were kept from being taken for images.
        """
        excluded = self.excludes(path)
        if path == self._table:
            return TABLE, ""
        if self.is_mask(path):
            return MASK, ""
        if excluded:
            return EXCLUDED, ""
        if self._is_orphan(path):
            return MASK, ORPHAN
        return None if is_picture(path) else (REJECTED, why_not(path))

    def keeps(self, path: str) -> bool:
        """Whether a file may be an image; if not, it is noted why."""
        row = self.why(path)
        if row is not None:
            self.rows[path] = row
        return row is None

    def note_unread(self, level: Level) -> None:
        """Note what a folder holds that is no plain file."""
        for name in level.litter:
            path = posixpath.join(self.prefix, level.folder, name)
            self.excludes(path)  # a pattern for them is not without effect because they are left out anyway
            self.rows[path] = LITTER, ""
        for name in level.special:
            self.rows[posixpath.join(self.prefix, level.folder, name)] = REJECTED, "a pipe, a device or an endless link"

    def is_mask(self, path: str) -> bool:
        """Whether a file is the mask of an image."""
        return composed(path) in self._masks

    def excludes(self, path: str) -> bool:
        """Whether a pattern of `exclude` matches."""
        inside = composed(path.removeprefix(f"{self.prefix}/"))
        if self._any.match(inside) is None:
            return False
        if self.unmatched:
            hit = {pattern for pattern, expression in self._expressions if expression.match(inside)}
            self.unmatched = [pattern for pattern in self.unmatched if pattern not in hit]
        return True

    def _is_orphan(self, path: str) -> bool:
        """Whether a file is named as masks are and has none itself (with `m{stem}.png`, not every monocyte is one)."""
        if self._named is None or self._pattern is None or self._named.fullmatch(path) is None:
            return False
        return composed(mask_path(self._pattern, path, self.prefix)) not in self._present

    def warnings(self, levels: Sequence[Level]) -> list[str]:
        """What of the names given fits nothing."""
        lines = [
            f"exclude: no file matches {pattern!r}{_nearest_pattern(pattern, levels)}" for pattern in self.unmatched
        ]
        orphans = [path for path, (_, reason) in self.rows.items() if reason == ORPHAN]
        if orphans:
            lines.append(
                f"masks: {len(orphans)} files are named as masks ({self._pattern}) of images that are not there, "
                f"such as {orphans[0]}; they are left out"
            )
        return lines

    def counts(self) -> dict[str, int]:
        """How many files are of each kind."""
        counted = Counter(kind for kind, _ in self.rows.values())
        return {kind: counted[kind] for kind in KINDS if counted[kind]}

    def table(self) -> pd.DataFrame:
        """All files left out, with the columns `LEFT_OUT`, text, sorted by path."""
        rows = [(path, kind, reason) for path, (kind, reason) in sorted(self.rows.items())]
        return pd.DataFrame(rows, columns=list(LEFT_OUT), dtype="string")


def mask_path(pattern: str, image: str, folder: str) -> str:
    """Path of an image's mask, relative to the root as the image's own; `folder` holds the images."""
    parent, name = posixpath.split(image)
    if folder and (parent == folder or parent.startswith(f"{folder}/")):
        parent = parent[len(folder) + 1 :]
    path = pattern.replace("{folder}", parent or ".").replace("{name}", name)
    return posixpath.normpath(path.replace("{stem}", posixpath.splitext(name)[0]))


def mask_expression(pattern: str) -> re.Pattern[str]:
    """What the path of a mask looks like, whichever its image: a regular expression for the whole path."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part == ".." and parts:
            # The folder above any folder may be any folder.
            if "{folder}" in parts.pop():
                parts.append("{folder}")
        elif part not in ("", "."):
            parts.append(part)
    text = ""
    for number, part in enumerate(parts):
        if part == "{folder}":
            text += "(?:[^/]+/)*"
            continue
        pieces = re.split(r"(\{folder\}|\{name\}|\{stem\})", part)
        for piece in pieces:
            if piece == "{folder}":
                text += ".*"
            elif piece in ("{name}", "{stem}"):
                group = piece.strip("{}")
                text += f"(?P={group})" if f"(?P<{group}>" in text else f"(?P<{group}>[^/]+)"
            else:
                text += re.escape(piece)
        text += "/" if number < len(parts) - 1 else ""
    return re.compile(text)


def _nearest_pattern(pattern: str, levels: Sequence[Level]) -> str:
    """A hint at what a pattern that matches nothing may have meant."""
    tail, known = pattern.lstrip("*"), set[str]()
    for level in levels:
        known.add(f"{level.folder}/*")
        for name in level.files[:_TRIED] if len(known) < _TRIED else ():
            if tail == pattern:
                known |= {name, posixpath.join(level.folder, name)}
            else:
                known |= {f"*{name[-length:]}" for length in range(len(tail), len(tail) + 2)}
    known_as = {text.lower(): text for text in sorted(known)}
    close = difflib.get_close_matches(pattern.lower(), known_as, n=1, cutoff=0.6)
    return f"; did you mean {known_as[close[0]]!r}?" if close else "; patterns are relative to folder, as in 'a/*.jpg'"
