"""Feature matrices on disk: float32 [n, D], one file a shard, memory-mapped when read.

Next to each file `NNN.npy` lies its index `NNN.parquet`, the image_id of each row (and `cell`, where rows are the cells
of images). `matrix.json` next to them says what the columns are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_json, read_table, reserve, write_table
from leukoflow.core.rows import Rows, mapped
from leukoflow.core.shards import shard_files

BLOCK = 1024
"""Rows that are written or read at a time."""


@dataclass(frozen=True)
class Matrix(Rows):
    """Rows of features over all their files, or some columns of them."""

    width: int
    """D, the number of features in the files."""
    columns: np.ndarray | None = None
    """Columns taken, in this order: int64 [k]; None for all."""
    missing = "has no features; delete the folder and run again"

    @property
    def shape(self) -> tuple[int]:
        """Number of features."""
        return (self.width if self.columns is None else len(self.columns),)

    def gather(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """These rows, in their order (repeats allowed): float32 [k, D]. Raises IndexError for rows beyond the end."""
        values = np.empty((np.size(rows), *self.shape), np.float32)
        for path, places, inside in self.by_file(rows):
            part = mapped(path, "features")[inside]
            values[places] = part if self.columns is None else part[:, self.columns]
        return values


def open_matrix(summary: str | Path) -> tuple[Matrix, dict[str, Any]]:
    """Open all files of a matrix by its `matrix.json`, which lies next to them; and what that says."""
    summary = Path(summary)
    facts = read_json(summary)
    return open_files(shard_files(summary.parent, len(facts["shards"]))), facts


def open_files(paths: Iterable[str | Path]) -> Matrix:
    """Open .npy files with their indices. Values are read only when gathered.

    Raises LeukoFlowError naming the file that is missing, damaged, or does not fit its index or the first file.
    """
    files = tuple(Path(path) for path in paths)
    starts, identifiers, widths, many = [0], [], set(), False
    for path in files:
        array = mapped(path, "features")
        index = read_table(path.with_suffix(".parquet"))
        widths.add(array.shape[-1])
        if array.ndim != 2 or array.dtype != np.float32 or len(array) != len(index) or len(widths) > 1:
            shape = f"{array.dtype} {list(array.shape)} for {len(index)} rows"
            raise LeukoFlowError(f"{path}: {shape} does not fit its index or the other files; delete both, run again")
        many |= "cell" in index
        starts.append(starts[-1] + len(array))
        identifiers.append(index["image_id"].to_numpy(object))
    if not files:
        raise LeukoFlowError("no files of features were given; extract them first")
    return Matrix(files, np.array(starts, np.int64), np.concatenate(identifiers), many, int(widths.pop()))


def write_matrix(path: str | Path, blocks: Iterable[np.ndarray], rows: int, index: pd.DataFrame) -> str:
    """Write blocks float32 [b, D] of `rows` rows together as an .npy file that is whole or absent, and its index.

    Returns a digest of the values. Raises LeukoFlowError if there are more or fewer rows, or none at all and no
    block that tells D.
    """
    digest, written = blake2b(digest_size=16), 0
    whole: np.ndarray | None = None
    with atomic(path) as temporary:
        for block in blocks:
            block = np.ascontiguousarray(block, np.float32)
            if not rows:
                np.save(temporary, block[:0])  # an empty file cannot be mapped
                break
            if whole is None:
                whole = np.lib.format.open_memmap(temporary, "w+", np.float32, (rows, block.shape[1]))
                reserve(temporary, path)
            whole[written : written + len(block)] = block
            digest.update(block.tobytes())
            written += len(block)
        if written != rows:
            raise LeukoFlowError(
                f"{path}: {written} rows of features, {rows} expected; delete its folder and run again"
            )
        if isinstance(whole, np.memmap):
            whole.flush()
    write_table(Path(path).with_suffix(".parquet"), index)
    return digest.hexdigest()


def blocks_of(count: int, size: int = BLOCK) -> Iterator[np.ndarray]:
    """Row numbers 0 to count - 1, cut into blocks; one empty block if there are none, as it tells the columns."""
    for start in range(0, max(count, 1), size):
        yield np.arange(start, min(start + size, count))


def open_selection(folder: Path, cohort: str, wanted: int) -> tuple[Matrix, dict[str, Any]]:
    """The best ranked features of a cohort, at most `wanted`, in a selection's folder; and its `features.json`, in
    which `names` are then those of the columns taken.

    Raises LeukoFlowError if files are missing or do not belong together.
    """
    file = folder / "scaled" / f"{cohort}.npy"
    facts = read_json(folder / "features.json")
    ranking = read_table(folder / "ranking.csv", ["position", "feature"])
    matrix = open_files([file])
    columns, names = chosen_columns(facts["names"], ranking, wanted, file)
    if matrix.shape != (len(facts["names"]),):
        raise _of_others(file)
    return replace(matrix, columns=columns), {**facts, "names": names}


def chosen_columns(
    features: Sequence[str], ranking: pd.DataFrame, wanted: int, source: Path
) -> tuple[np.ndarray, list[str]]:
    """Columns int64 [k] of the best ranked features, at most `wanted`, and their names; features: all, in order.

    Raises LeukoFlowError naming the source where others were ranked.
    """
    columns = {name: column for column, name in enumerate(features)}
    names = [str(name) for name in ranking.sort_values("position")["feature"]][:wanted]
    if not set(names) <= set(columns):
        raise _of_others(source)
    return np.array([columns[name] for name in names], np.int64), names


def _of_others(source: Path) -> LeukoFlowError:
    return LeukoFlowError(f"{source}: holds other features than were ranked; delete the selection's folder, run again")
