"""Comparison by parts and by compiled loops: the pairs that one plain job finds."""

import hashlib
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukoflow.config.quality import Quality
from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality import kernels, rings
from leukoflow.quality.comparison import Compared, compare
from leukoflow.quality.description import Description, Images, describe, part_span
from leukoflow.quality.duplicates import find_duplicates, gather
from leukoflow.quality.hashing import THUMBNAIL, difference_hash, to_hex
from leukoflow.quality.orientations import TURNED, laid
from leukoflow.quality.search import BITS, _Buckets
from leukoflow.quality.similarity import coarse, correlations, possible
from leukoflow.quality.thumbnails import Thumbnails

KINDS = ["near"] * 2 + ["turned"] * 7 + ["moved"] * 2


def thumbnail(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((THUMBNAIL, THUMBNAIL), 235, np.uint8)
    for x, y, radius, grey in rng.integers((0, 0, 3, 80), (THUMBNAIL, THUMBNAIL, 9, 200), (15, 4)).tolist():
        cv2.circle(image, (x, y), radius, grey, -1)
    return cv2.add(image, rng.integers(0, 6, image.shape, np.uint8))


def turned(image: np.ndarray, degrees: float, zoom: float) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((31.5, 31.5), degrees, zoom)
    return cv2.warpAffine(image, matrix, image.shape, borderMode=cv2.BORDER_REFLECT_101)


def images_of(thumbnails: list[np.ndarray], folder: Path) -> Images:
    np.save(folder / "thumbnails.npy", np.stack(thumbnails))
    coloured = [cv2.cvtColor(np.ascontiguousarray(thumbnail), cv2.COLOR_GRAY2RGB) for thumbnail in thumbnails]
    table = pd.DataFrame(
        {
            "cohort": "home",
            "image_id": [str(number) for number in range(len(thumbnails))],
            "label": pd.NA,
            "sha256": [hashlib.sha256(picture.tobytes()).hexdigest() for picture in coloured],
            "dhash": [to_hex(difference_hash(picture)) for picture in coloured],
            "width": 64,
            "height": 64,
        }
    )
    return Images.of(table, Thumbnails([folder / "thumbnails.npy"]))


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Images, dict[tuple[str, str], str]]:
    """Sixty pictures, blank ones, two that are one file, and a copy of each kind; and the kinds of the copies."""
    pictures = [thumbnail(seed) for seed in range(60)]
    copies = [cv2.GaussianBlur(pictures[0], (3, 3), 0), np.roll(pictures[1], (2, -1), (0, 1))]
    copies += [laid(pictures[1 + position], position) for position in range(1, len(TURNED))]
    copies += [turned(pictures[9], 15, 1), turned(pictures[10], 0, 1 / 0.9)]
    blank = [np.full((THUMBNAIL, THUMBNAIL), 200 + level, np.uint8) for level in range(40)]
    expected = {(str(number), str(100 + number)): kind for number, kind in enumerate(KINDS)}
    return images_of([*pictures, *blank, *copies, pictures[11]], tmp_path), expected | {("11", "111"): "identical"}


def cut(monkeypatch: pytest.MonkeyPatch, compiled: bool) -> None:
    """Chunks of 16 pictures, the limits of very many, and compiled loops or not."""
    for module in ("search", "description"):
        monkeypatch.setattr(f"leukoflow.quality.{module}.CHUNK", 16)
    for module in ("search", "comparison"):
        monkeypatch.setattr(f"leukoflow.quality.{module}.MANY", 50)
    for module in ("search", "description", "comparison", "neighbours"):
        monkeypatch.setattr(f"leukoflow.quality.{module}.COMPILED_FROM", 50 if compiled else 10**9)


def test_parts_and_compiled_loops_find_the_planted_copies_and_nothing_else(
    planted: tuple[Images, dict[tuple[str, str], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, expected = planted
    tables = {}
    for compiled in (False, True):
        cut(monkeypatch, compiled)
        tables |= {(compiled, parts): find_duplicates(images, Quality(), parts) for parts in (1, 3)}
    for table in tables.values():
        assert dict(zip(zip(table["image_a"], table["image_b"], strict=True), table["kind"], strict=True)) == expected
        pd.testing.assert_frame_equal(table, tables[False, 1], rtol=1e-5)


def test_parts_that_were_written_are_gathered_and_a_damaged_one_is_named(
    planted: tuple[Images, dict[tuple[str, str], str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    images, _ = planted
    cut(monkeypatch, False)
    files = [[tmp_path / f"{kind}{part}{end}" for part in range(3)] for kind, end in (("d", ".npz"), ("d", ".npy"))]
    compared = [tmp_path / f"c{part}.npz" for part in range(3)]
    for part, (path, drawn) in enumerate(zip(*files, strict=True)):
        describe(images, part, 3).save(path, drawn)
    described = Description.load(*files)
    for name in ("hashes", "rings", "lacking"):
        np.testing.assert_array_equal(getattr(described, name), getattr(describe(images), name))
    for part, path in enumerate(compared):
        compare(images, described, Quality(), part, 3).save(path)
    table = gather(images, Compared.load(compared), Quality())
    pd.testing.assert_frame_equal(table, find_duplicates(images, Quality()), rtol=1e-5)
    for path, load in ((compared[1], lambda: Compared.load(compared)), (files[1][2], lambda: Description.load(*files))):
        path.write_bytes(path.read_bytes()[:200])
        with pytest.raises(LeukoFlowError, match=f"{path.name}: cannot be read"):
            load()


def test_a_part_without_images_gives_no_pairs(tmp_path: Path) -> None:
    images = images_of([thumbnail(0), thumbnail(1), laid(thumbnail(0), 1)], tmp_path)
    files = [(tmp_path / f"{part}.npz", tmp_path / f"{part}.npy") for part in range(3)]
    for part, (path, drawn) in enumerate(files):
        describe(images, part, 3).save(path, drawn)
    described = Description.load(*zip(*files, strict=True))
    parts = [compare(images, described, Quality(), part, 3) for part in range(3)]
    assert [len(part.turned) for part in parts] == [0, 0, 1]
    table = gather(images, Compared.joined(parts), Quality())
    assert table[["image_a", "image_b", "change"]].values.tolist() == [["0", "2", TURNED[1]]]


@pytest.mark.parametrize(("count", "parts"), [(0, 1), (5, 4), (2048, 2), (2049, 2), (100_000, 7)])
def test_parts_are_whole_chunks_and_together_everything(count: int, parts: int) -> None:
    spans = [part_span(count, part, parts) for part in range(parts)]
    assert spans[0].start == 0 and spans[-1].stop == count
    assert all(one.stop == two.start for one, two in pairwise(spans))
    assert all(span.start % 2048 == 0 or span.start == count for span in spans)


def test_parts_follow_from_the_number_of_images() -> None:
    assert [Quality().parts_of(images) for images in (0, 1, 100_000, 160_000, 1_000_008)] == [1, 1, 1, 2, 10]
    assert Quality(parts=3).parts_of(10) == 3


def test_compiled_rings_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 2, rings.RINGS, rings.WAVES + 1)).astype(np.float32)
    np.testing.assert_array_equal(rings.unchanging(values, compiled=True), rings.unchanging(values))
    pairs = rng.integers(0, 50, (200, 2))
    aligned = rings.aligned_pairs(values, values, pairs)
    for one, two in zip(aligned, rings.aligned(values[pairs[:, 0]], values[pairs[:, 1]]), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4)


def test_compiled_buckets_hold_the_pairs_that_numpy_finds() -> None:
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=(300, BITS)), 10, axis=0) + 0.6 * rng.normal(size=(3000, BITS))
    values = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    plain, compiled = (_Buckets(values, is_compiled).near(values[:500]) for is_compiled in (False, True))
    np.testing.assert_array_equal(np.stack(plain), np.stack(compiled))
    assert len(plain[0]) > 1500  # and not only each with itself


def test_no_correlation_exceeds_the_coarse_bound(tmp_path: Path) -> None:
    pictures = [np.roll(thumbnail(seed), move, (0, 1)) for seed in range(12) for move in ((0, 0), (3, -2), (0, 9))]
    images = images_of([*pictures, np.full((THUMBNAIL, THUMBNAIL), 90, np.uint8)], tmp_path)
    means, every = coarse(np.stack([*pictures, np.full((THUMBNAIL, THUMBNAIL), 90, np.uint8)])), range(len(images))
    pairs = np.array([(a, b) for a in every for b in every if a != b])
    true = np.array([correlations(images.thumbnails[a][None], images.thumbnails[b])[0] for a, b in pairs.tolist()])
    for least in (0.5, 0.8, 0.95):
        assert possible(pairs, means, images.thumbnails, least)[true >= least].all()
    assert possible(pairs, means, images.thumbnails, 0.8).mean() < 0.2 and (true >= 0.8).sum() >= 24
    assert not len(possible(pairs[:0], means, images.thumbnails, 0.8))
    assert kernels.coarse_bounds.signatures  # it was compiled
