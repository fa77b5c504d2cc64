"""Whether files still hold what was read from them: told by size, times and inode, and by a digest when these differ.

A step that reads many files writes a record of them next to its results. Every start of the workflow compares the
records with the files, so that the step is run again when a file was changed in place, and not when it was touched.
"""

import hashlib
import logging
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)
COLUMNS = ["path", "stamp", "sha256"]
MISSING = "missing"
"""Stamp of a file that is not there."""
UNSETTLED = ""
"""Stamp that equals no other: the file was written so lately that its times cannot tell it from the next version."""
_SETTLED_NS = 2_000_000_000  # the coarsest clock of a file system in use (FAT)
_THREADS = 16  # file systems on a network answer many requests at a time
_MANY = 1000

Row = tuple[str, str, str]
"""Path, stamp, and sha256 of what was read (64 hex digits; empty if nothing could be read)."""


def stamp(path: str | Path) -> str:
    """Size, inode, and times of the last write and the last change of a file, links followed.

    The time of the last change cannot be set by programs, so copies that keep their times are noticed as well.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return MISSING
    if abs(time.time_ns() - status.st_ctime_ns) < _SETTLED_NS:
        return UNSETTLED
    return f"{status.st_size}.{status.st_ino}.{status.st_mtime_ns}.{status.st_ctime_ns}"


def digest(path: str | Path) -> str:
    """SHA-256 of a file, 64 hex digits; empty if it cannot be read."""
    try:
        with open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, ValueError):
        return ""


def row_of(root: Path, path: str) -> Row:
    """A file's row, with the digest that it has now."""
    before = stamp(root / path)
    return path, before, digest(root / path)


def known_digest(path: str | Path, memory: Path) -> str:
    """SHA-256 of a large file, as recorded in `memory` if it is still what it was."""
    if not memory.is_file() or changes([memory], "") != [""]:
        write_record(memory, [row_of(Path(), str(path))])
    return str(read_table(memory, COLUMNS)["sha256"].iloc[0])


def write_record(record: Path, rows: Iterable[Row]) -> None:
    """Write the record of a step's files; the stamps were taken before the files were read."""
    # Imported here because what answers with an exported model, which takes digests, does without it.
    import pandas as pd

    write_table(record, pd.DataFrame(rows, columns=COLUMNS, dtype="string"))


def changes(records: Sequence[Path], root: str | Path) -> list[str]:
    """For each record of files below `root`, a digest (16 hex digits) over what changed since; empty if nothing did.

    Files whose stamp differs are read. If all files of a record hold what they held, it gets their new stamps, so that
    the next start does not read them again. A record that is missing or damaged is a change, another one each time.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        seen = list(pool.map(lambda record: _seen(record, root), records))
        suspects = [path for state in seen if state is not None for path in state.suspects]
        if len(suspects) > _MANY:
            log.warning("%s: the times of %d files differ from when they were read; reading them", root, len(suspects))
        contents = dict(zip(suspects, pool.map(lambda path: digest(f"{root}/{path}"), suspects), strict=True))
    return [f"no record, {time.time_ns()}" if state is None else _settle(state, contents) for state in seen]


@dataclass(frozen=True)
class _Seen:
    """A record, and the stamps that its files have now."""

    record: Path
    table: "pd.DataFrame"
    stamps: list[str]

    @property
    def suspects(self) -> list[str]:
        pairs = zip(self.table["path"], self.table["stamp"], self.stamps, strict=True)
        return [path for path, before, now in pairs if now != before or now == UNSETTLED]


def _seen(record: Path, root: str | Path) -> _Seen | None:
    try:
        table = read_table(record, COLUMNS)
    except LeukoFlowError:
        return None
    return _Seen(record, table, [stamp(f"{root}/{path}") for path in table["path"]])


def _settle(seen: _Seen, contents: Mapping[str, str]) -> str:
    """The digest over a record's changes; without any, the record is renewed if stamps differ."""
    suspects = set(seen.suspects)
    rows = zip(seen.table["path"], seen.table["stamp"], seen.table["sha256"], seen.stamps, strict=True)
    changed = [
        f"{path}\t{read}\t{contents[path]}\n"
        for path, before, read, now in rows
        if path in suspects and (contents[path] != read or MISSING in (before, now))
    ]
    if changed:
        return hashlib.sha256("".join(changed).encode()).hexdigest()[:16]
    if list(seen.table["stamp"]) != seen.stamps:
        write_record(seen.record, zip(seen.table["path"], seen.stamps, seen.table["sha256"], strict=True))
    return ""
