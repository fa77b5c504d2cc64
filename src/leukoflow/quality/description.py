"""What images are compared by, made from each thumbnail alone: hashes, sketches, coarse means, rings."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_table
from leukoflow.quality.hashing import turned_hashes
from leukoflow.quality.neighbours import COMPILED_FROM
from leukoflow.quality.orientations import TURNED
from leukoflow.quality.rings import SIDE, shape_of, sketches
from leukoflow.quality.search import CHUNK, middles
from leukoflow.quality.sets import Sets
from leukoflow.quality.similarity import INNER, SQUARE, Coarse, coarse
from leukoflow.quality.thumbnails import Thumbnails, gathered, portions


@dataclass(frozen=True)
class Images:
    """The images that are compared, one a row."""

    table: pd.DataFrame
    """cohort, image_id, label (nullable), sha256, dhash, width, height."""
    thumbnails: Thumbnails
    digests: Sets
    shapes: np.ndarray
    """See `rings.shape_of`."""
    distinct: np.ndarray
    """Rows of which each is the first of its set of identical files."""

    @classmethod
    def of(cls, table: pd.DataFrame, thumbnails: Thumbnails) -> "Images":
        """From their table, row k with thumbnail k."""
        digests = Sets(pd.factorize(table["sha256"])[0])
        shapes = shape_of(*table[["width", "height"]].to_numpy(float).T)
        return cls(table, thumbnails, digests, shapes, np.sort(digests.first))

    @classmethod
    def read(cls, cohorts: Sequence[Sequence[str]], columns: Sequence[str] = ()) -> "Images":
        """From the files of cohorts, each given by its name, its folder and its number of shards; with more columns of
        their tables `quality`. LeukoFlowError if thumbnails and images are not the same number."""
        tables, files = [], []
        for name, folder, shards in cohorts:
            manifest = read_table(Path(folder) / "manifest.parquet", MANIFEST)
            quality = read_table(Path(folder) / "quality.parquet", ["image_id", "dhash", *columns])
            tables.append(manifest.merge(quality, on="image_id", validate="one_to_one").assign(cohort=name))
            files += [Path(folder) / f"thumbnails/{shard:03d}.npy" for shard in range(int(shards))]
        table, thumbnails = pd.concat(tables, ignore_index=True), Thumbnails(files)
        if len(thumbnails) != len(table):
            raise LeukoFlowError(
                f"{len(thumbnails)} thumbnails for {len(table)} images; delete the cohorts and run again"
            )
        return cls.of(table, thumbnails)

    def __len__(self) -> int:
        return len(self.table)


def add_cohorts(arguments: argparse.ArgumentParser) -> None:
    """Add the option from which `Images.read` reads."""
    arguments.add_argument(
        "--cohort", nargs=3, action="append", required=True, metavar=("NAME", "FOLDER", "SHARDS"), help="each cohort"
    )


MANIFEST = ["image_id", "sha256", "label", "slide", "width", "height"]
"""Columns that are read of a manifest."""


def part_span(count: int, part: int, parts: int) -> slice:
    """Rows of part `part` (0-based) of `count`: whole chunks, in which the search for moved copies goes."""
    chunks = -(-count // CHUNK)
    return slice(*(min(count, CHUNK * (number * chunks // parts)) for number in (part, part + 1)))


@dataclass(frozen=True)
class Description:
    """What a part of the images, or all, are compared by."""

    hashes: np.ndarray
    """See `hashing.turned_hashes`: uint64 [2, n, 8]."""
    drawn: Sequence[np.ndarray]
    """See `rings.sketches`: float32 [n, 16, 16], in one or more parts; they are mapped, where they come from files."""
    coarse: Coarse
    """See `similarity.coarse`; of few images nothing."""
    rings: np.ndarray
    """Of distinct images: see `search.middles`."""
    lacking: np.ndarray

    def sketched(self, rows: np.ndarray) -> np.ndarray:
        """Sketches of some images float32 [p, 16, 16]."""
        return gathered(self.drawn, np.cumsum([0, *map(len, self.drawn)]), rows)

    def save(self, path: Path, drawn: Path) -> None:
        """Write one part: sketches in a file of their own, as only some of them are read."""
        with atomic(drawn) as temporary:
            np.save(temporary, self.drawn[0])
        means, sizes = self.coarse
        with atomic(path) as temporary:
            np.savez(temporary, hashes=self.hashes, means=means, sizes=sizes, rings=self.rings, lacking=self.lacking)

    @classmethod
    def load(cls, paths: Sequence[Path], drawn: Sequence[Path]) -> "Description":
        """All parts, in order. LeukoFlowError for a damaged file."""
        every: dict[str, list[np.ndarray]] = {name: [] for name in ("hashes", "means", "sizes", "rings", "lacking")}
        for path in paths:
            columns = load_arrays(path)
            for name, column in every.items():
                column.append(columns[name])
        sketched = []
        for path in drawn:
            try:
                sketched.append(np.asarray(np.load(path, mmap_mode="r")))
            except (OSError, ValueError) as error:
                raise LeukoFlowError(f"{path}: cannot be read ({error}); delete it and run again") from error
        hashes = np.concatenate(every.pop("hashes"), axis=1)
        means, sizes, rings, lacking = (np.concatenate(column) for column in every.values())
        return cls(hashes, sketched, Coarse(means, sizes), rings, lacking)


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an .npz file; a damaged one is a LeukoFlowError that names it."""
    try:
        with np.load(path) as data:
            return {name: data[name] for name in data.files}
    except Exception as error:  # zipfile and zlib have errors of their own
        raise LeukoFlowError(f"{path}: cannot be read ({error}); delete it and run again") from error


def describe(images: Images, part: int = 0, parts: int = 1) -> Description:
    """Describe a part of the images."""
    span = part_span(len(images), part, parts)
    rows = np.arange(span.start, span.stop)
    hashes = np.empty((2, len(rows), len(TURNED)), np.uint64)
    drawn = np.empty((len(rows), SIDE // 2, SIDE // 2), np.float32)
    # Fewer pairs are not worth a first bound.
    bounded = len(rows) if len(images) > COMPILED_FROM else 0
    means, sizes = np.empty((bounded, (INNER // SQUARE) ** 2), np.int8), np.empty((bounded, 3), np.float32)
    for some in portions(rows) if len(rows) else ():  # of few images a part may have none
        taken, offsets = images.thumbnails.take(some), some - span.start
        hashes[:, offsets], drawn[offsets] = turned_hashes(taken), sketches(taken)
        if bounded:
            means[offsets], sizes[offsets] = coarse(taken)
    distinct = images.distinct
    rings, lacking = middles(
        images.thumbnails.only(distinct), images.shapes[distinct], part_span(len(distinct), part, parts)
    )
    return Description(hashes, [drawn], Coarse(means, sizes), rings, lacking)
