"""Shards: what is written is read, lazily, and damage is named."""

import weakref
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.core import rows
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_table
from leukoflow.images.shards import open_shards, write_shard

SIZE = 12


def write(folder: Path, counts: list[int], size: int = SIZE) -> tuple[list[Path], np.ndarray]:
    images = np.random.default_rng(0).integers(0, 256, (sum(counts), size, size, 3), dtype=np.uint8)
    paths, start = [], 0
    for number, count in enumerate(counts):
        path = folder / f"{number:03}.npy"
        write_shard(path, iter(images[start : start + count]), count, size)
        ids = [f"image {row}" for row in range(start, start + count)]
        write_table(path.with_suffix(".parquet"), pd.DataFrame({"image_id": pd.Series(ids, dtype="str")}))
        paths.append(path)
        start += count
    return paths, images


def test_what_is_written_is_gathered_in_any_order(tmp_path):
    paths, images = write(tmp_path, [5, 0, 3, 7])
    opened = open_shards(paths)
    assert len(opened) == 15 and opened.shape == (SIZE, SIZE, 3)
    assert list(opened.image_ids) == [f"image {row}" for row in range(15)]
    rows = np.random.default_rng(1).integers(0, 15, 40)
    assert np.array_equal(opened.gather(rows), images[rows])
    assert opened.gather([]).shape == (0, SIZE, SIZE, 3)


def test_a_shard_is_an_ordinary_npy_file(tmp_path):
    paths, images = write(tmp_path, [4])
    assert np.array_equal(np.load(paths[0]), images)


@pytest.mark.parametrize("rows", [[-1], [15], [0, 99]])
def test_rows_outside_are_an_index_error(tmp_path, rows):
    paths, _ = write(tmp_path, [8, 7])
    with pytest.raises(IndexError, match="0 to 14"):
        open_shards(paths).gather(rows)


def test_pixels_are_mapped_only_when_gathered(tmp_path, monkeypatch):
    paths, _ = write(tmp_path, [2] * 20)
    mapped = []
    monkeypatch.setattr(rows.np, "load", lambda file, mmap_mode: mapped.append(file) or np.zeros((2, SIZE, SIZE, 3)))
    opened = open_shards(paths)
    assert not mapped
    opened.gather([7, 6, 31])
    assert mapped == [paths[3], paths[15]]


def test_more_shards_than_may_be_open(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "_mapped_version", lru_cache(maxsize=3)(rows._mapped_version.__wrapped__))
    paths, images = write(tmp_path, [1] * 8)
    opened = open_shards(paths)
    assert np.array_equal(opened.gather(range(8)), images)
    assert rows._mapped_version.cache_info().currsize == 3


def test_a_shard_rendered_again_is_read_again(tmp_path):
    paths, images = write(tmp_path, [3])
    opened = open_shards(paths)
    opened.gather([0])
    write_shard(paths[0], iter(255 - images), 3, SIZE)
    assert np.array_equal(opened.gather([0, 1, 2]), 255 - images)


def test_one_image_is_held_at_a_time(tmp_path):
    alive: list[weakref.ref] = []

    def images() -> Iterator[np.ndarray]:
        for level in range(20):
            assert sum(reference() is not None for reference in alive) <= 1
            image = np.full((SIZE, SIZE, 3), level, np.uint8)
            alive.append(weakref.ref(image))
            yield image
            del image

    write_shard(tmp_path / "000.npy", images(), 20, SIZE)
    assert np.load(tmp_path / "000.npy")[:, 0, 0, 0].tolist() == list(range(20))


@pytest.mark.parametrize("count", [2, 4])
def test_another_number_than_announced_leaves_no_file(tmp_path, count):
    with pytest.raises(LeukoFlowError, match=r"000\.npy.*3"):
        write_shard(tmp_path / "000.npy", iter(np.zeros((count, SIZE, SIZE, 3), np.uint8)), 3, SIZE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("image", [np.zeros((5, 5, 3), np.uint8), np.zeros((SIZE, SIZE, 3), np.float32)])
def test_an_image_of_another_shape_or_type_is_refused(tmp_path, image):
    with pytest.raises(LeukoFlowError, match="row 0"):
        write_shard(tmp_path / "000.npy", iter([image]), 1, SIZE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("keep", [0, 5, 70, 200, -1])
def test_a_truncated_shard_is_named(tmp_path, keep):
    paths, _ = write(tmp_path, [3, 3])
    paths[1].write_bytes(paths[1].read_bytes()[:keep])
    with pytest.raises(LeukoFlowError, match=r"001\.npy.*render the view again"):
        open_shards(paths)


def test_mismatches_are_named(tmp_path):
    paths, _ = write(tmp_path, [3, 3])
    with pytest.raises(LeukoFlowError, match="no shards"):
        open_shards([])
    with pytest.raises(LeukoFlowError, match=r"009\.npy"):
        open_shards([tmp_path / "009.npy"])
    write_table(tmp_path / "001.parquet", pd.DataFrame({"image_id": ["a", "b"]}))
    with pytest.raises(LeukoFlowError, match=r"001\.parquet: 2 rows, but 001\.npy holds 3"):
        open_shards(paths)
    write_shard(paths[1], iter(np.zeros((2, 7, 7, 3), np.uint8)), 2, 7)
    with pytest.raises(LeukoFlowError, match=r"001\.npy: images are \[7, 7, 3\]"):
        open_shards(paths)
    np.save(paths[0], np.zeros((3, 4), np.uint8))
    with pytest.raises(LeukoFlowError, match=r"000\.npy: holds uint8 \[3, 4\]"):
        open_shards(paths)
