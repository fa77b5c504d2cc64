"""Whether an unpacked download is still what its archive held."""

import stat
from pathlib import Path

import pandas as pd

from leukoflow.cohorts.folder import list_folder
from leukoflow.config.cohorts import Files
from leukoflow.core.content import digest
from leukoflow.core.errors import LeukoFlowError


def check_contents(root: Path, contents: Path, files: Files) -> None:
    """Hold an unpacked folder against the list (path, bytes, sha256) made when it was unpacked, a CSV file.

    Only files that were touched since are read. Raises LeukoFlowError naming the first file that is missing, has other
    bytes, or is an image that was not in the archive.
    """
    # As text: a file may be called NA, or 1.
    known = pd.read_csv(contents, dtype=str, keep_default_na=False)
    unpacked = contents.stat().st_mtime_ns
    for path, size, sha256 in known[["path", "bytes", "sha256"]].itertuples(index=False):
        try:
            status = (root / path).stat()
        except OSError:
            raise _edited(root / path, "is missing", contents) from None
        same = stat.S_ISREG(status.st_mode) and status.st_size == int(size)
        if not same or (status.st_ctime_ns > unpacked and digest(root / path) != sha256):
            raise _edited(root / path, "has changed", contents)
    if files.table is None:  # a table is of the archive, and may name files that never were
        listing = list_folder(root, files).images
        for path in sorted({*listing["path"], *listing["mask"].dropna()} - set(known["path"])):
            raise _edited(root / path, "has been added", contents)


def _edited(path: Path, state: str, contents: Path) -> LeukoFlowError:
    return LeukoFlowError(
        f"{path}: {state} since it was unpacked; delete {contents} and run again to unpack the archive again, "
        "or copy the folder and give it as a cohort of kind folder"
    )
