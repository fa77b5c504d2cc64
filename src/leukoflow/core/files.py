"""Files that are either whole or absent: written next to their target, flushed, then moved over it."""

import csv
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leukoflow.core.errors import LeukoFlowError

if TYPE_CHECKING:
    import pandas as pd

TEXT = frozenset(
    {
        "class",
        "label",
        "true",
        "path",
        "reason",
        "image_id",
        "image_a",
        "image_b",
        "names",
        "alike",
        "pairs",
        "note",
        "to",
        "text",
    }
)
"""Columns of CSV tables that hold texts of users, whatever these look like."""
WHAT_TO_DO = dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room")
WHAT_TO_DO |= dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "allow writing there")
"""By number of the error."""


@contextmanager
def atomic(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the target's folder; on success it becomes the target, on failure it is removed.

    The temporary name keeps the target's suffix, because many writers choose their format by it. LeukoFlowError if
    the disk is full or may not be written to.
    """
    target = Path(target)
    with _told(target), _beside(target) as temporary:
        yield temporary


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in WHAT_TO_DO:
            raise
        cause, remedy = os.strerror(error.errno), WHAT_TO_DO[error.errno]
        raise LeukoFlowError(f"{target}: cannot be written ({cause}); {remedy} and run again") from error


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with open(temporary, "rb+") as stream:
            os.fsync(stream.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, target)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
    _sync_folder(target.parent)


def reserve(path: Path, target: str | Path) -> None:
    """Take the room that a sparse file will need for `target`: writing to a mapped file on a full disk kills.

    LeukoFlowError if there is not enough.
    """
    with _told(Path(target)), open(path, "rb+") as stream:
        os.posix_fallocate(stream.fileno(), 0, os.fstat(stream.fileno()).st_size)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically: two-space indent, keys in the given order, no NaN (ValueError)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file; a damaged one is a LeukoFlowError that names it."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LeukoFlowError(f"{path}: cannot be read as JSON ({error}); delete it and run again") from error


def write_table(path: str | Path, table: "pd.DataFrame") -> None:
    """Write a table atomically, as Parquet or CSV by the path's suffix, without its index."""
    with atomic(path) as temporary:
        if Path(path).suffix == ".csv":
            # Left as it is, a carriage return in a file's name would end the row for most readers.
            texts = (table[name] for name in table.columns if table[name].dtype.kind not in "biufc")
            returns = any(column.astype("string").str.contains("\r", regex=False).any() for column in texts)
            table.to_csv(temporary, index=False, quoting=csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL)
        else:
            table.to_parquet(temporary, index=False, compression="zstd")


def read_table(path: str | Path, columns: list[str] | None = None) -> "pd.DataFrame":
    """Read a Parquet or CSV table as `write_table` writes it; a damaged one is a LeukoFlowError that names it.

    In CSV an empty cell is missing and nothing else is; the columns of `TEXT` are text, so that classes may be called
    `NA`, `007` or `True`.
    """
    # Imported here because what answers with an exported model does without it.
    import pandas as pd

    try:
        if Path(path).suffix == ".csv":
            header = pd.read_csv(path, nrows=0).columns
            kinds = dict.fromkeys(TEXT.intersection(header), "str")
            if "true" in header:
                kinds["predicted"] = "str"  # a class there, a probability elsewhere
            return pd.read_csv(path, usecols=columns, dtype=kinds, keep_default_na=False, na_values=[""])
        return pd.read_parquet(path, columns=columns)
    except (OSError, ValueError, KeyError) as error:
        raise LeukoFlowError(f"{path}: cannot be read as a table ({error}); delete it and run again") from error


def tree_digest(folder: str | Path) -> str:
    """Digest (16 hex digits) over the names and contents of all files of a tree."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            digest.update(f"{path.relative_to(folder).as_posix()}\x00".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
