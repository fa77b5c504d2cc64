"""What changed in a cohort's files since steps read them, as marks that Snakemake compares with those of the last run.

A mark stays as it is until the files change. The marks of a study lie in a file between two starts; Snakemake keeps the
marks that jobs ran with in the same folder.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from leukoflow.cohorts.contents import check_contents
from leukoflow.cohorts.folder import Listing, list_folder
from leukoflow.config.cohorts import DownloadCohort, FolderCohort
from leukoflow.core.content import changes
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_json
from leukoflow.core.shards import shard_slice

LISTING, ACCOUNT, MASKS = "listing", "account", "masks"
"""Names of marks; those of shards are their numbers (`000`)."""


@dataclass(frozen=True)
class Cohort:
    """A cohort of files, as the workflow knows it."""

    name: str
    results: Path
    """Folder of the study."""
    root: Path
    """What paths are relative to."""
    files: FolderCohort | DownloadCohort
    contents: Path | None
    """List of the files that a download was unpacked to; None for images that were there already."""
    shards: tuple[str, ...]
    """Numbers of the shards of images (`000`)."""

    @property
    def listing(self) -> Path:
        """Table of the images."""
        return self.results / "cohorts" / self.name / "listing.parquet"

    @property
    def left_out(self) -> Path:
        """Table of the other files."""
        return self.listing.with_name("left_out.parquet")

    @property
    def readers(self) -> dict[str, Path]:
        """What came of the steps that read files, by the name of their mark."""
        measured = self.listing.parent / "measured"
        outputs = {shard: measured / f"{shard}.parquet" for shard in self.shards}
        return {**outputs, MASKS: self.results / "masks" / self.name / "index.parquet"}

    def record(self, reader: str) -> Path:
        """Record of the files that a step read."""
        return record_of(self.results, self.name, reader)


def record_of(results: Path, name: str, reader: str) -> Path:
    """Record of the files that a step read of a cohort."""
    return results / ".content" / f"{name}.{reader}.parquet"


def marks(cohort: Cohort, memory: Path) -> dict[str, str]:
    """The marks of a cohort: of its listing, of its other files, of each shard of images, and of its masks.

    memory: JSON file with the marks of the last start, if there was one. A step without results keeps its mark; at
    first marks are empty. Raises LeukoFlowError if files of a download were edited.
    """
    done = [reader for reader, output in cohort.readers.items() if output.is_file()]
    marked = dict(zip(done, changes([cohort.record(reader) for reader in done], cohort.root), strict=True))
    for reader, change in _listing_changes(cohort, done).items():
        marked[reader] = marked.get(reader, "") + change
    if cohort.contents is not None and cohort.contents.is_file() and any(marked.values()):
        check_contents(cohort.root, cohort.contents, cohort.files)
    kept = _kept(memory)
    return {reader: marked.get(reader) or kept.get(reader, "") for reader in (LISTING, ACCOUNT, *cohort.readers)}


def keep(memory: Path, marked: Mapping[str, str]) -> None:
    """Write the marks for the next start."""
    if marked != _kept(memory):
        write_json(memory, marked)


def _kept(memory: Path) -> dict[str, str]:
    try:
        return {str(reader): str(mark) for reader, mark in read_json(memory).items()}
    except (LeukoFlowError, AttributeError):  # none yet, or not whole: steps whose mark is not empty run again
        return {}


def _listing_changes(cohort: Cohort, done: Sequence[str]) -> dict[str, str]:
    """Of the listing, of the account of other files, and of each shard that was measured: a digest (16 hex digits) over
    the rows that were there and those that would be listed now; empty if they are the same, or nothing was listed."""
    if not cohort.listing.is_file():
        return {}
    try:
        listed = _quietly_listed(cohort)
        now = listed.images
        digests = {LISTING: _difference(read_table(cohort.listing), now)}
        if cohort.left_out.is_file():
            digests[ACCOUNT] = _difference(read_table(cohort.left_out), listed.left_out)
        now = now.drop(columns="given")  # of what was listed alone
        for number, shard in enumerate(cohort.shards):
            if shard in done:
                measured = read_table(cohort.readers[shard], list(now.columns))
                rows = now.iloc[shard_slice(len(now), number, len(cohort.shards))].reset_index(drop=True)
                digests[shard] = _difference(measured, rows)
    except LeukoFlowError as error:  # the step says it again, in its log
        return {LISTING: str(error)}
    return digests


def _difference(before: pd.DataFrame, now: pd.DataFrame) -> str:
    if before.equals(now):
        return ""
    texts = before.to_csv(index=False), now.to_csv(index=False)
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16] if texts[0] != texts[1] else ""


def _quietly_listed(cohort: Cohort) -> Listing:
    """A listing without words on what is odd in it, which are in the log of the step that lists."""
    log = logging.getLogger("leukoflow")
    before, log.disabled = log.disabled, True
    try:
        return list_folder(cohort.root, cohort.files)
    finally:
        log.disabled = before
