"""Feature matrices: what is written is gathered, by image or by cell, and damage is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_json, write_table
from leukoflow.features.matrix import blocks_of, open_files, open_matrix, open_selection, write_matrix


def write(folder: Path, counts: list[int], width: int = 6) -> tuple[list[Path], np.ndarray]:
    values = np.random.default_rng(0).normal(size=(sum(counts), width)).astype(np.float32)
    values[1, 2] = np.nan
    paths, start = [], 0
    for number, count in enumerate(counts):
        part = values[start : start + count]
        ids = [f"image {row}" for row in range(start, start + count)]
        index = pd.DataFrame({"image_id": pd.Series(ids, dtype="str")})
        paths.append(folder / f"{number:03}.npy")
        write_matrix(paths[-1], (part[rows] for rows in blocks_of(count, 2)), count, index)
        start += count
    return paths, values


def test_what_is_written_is_gathered_in_any_order(tmp_path: Path) -> None:
    _, values = write(tmp_path, [5, 0, 3, 7])
    write_json(tmp_path / "matrix.json", {"kind": "deep", "shards": [{}] * 4})
    opened, facts = open_matrix(tmp_path / "matrix.json")
    assert facts["kind"] == "deep" and len(opened) == 15 and opened.shape == (6,) and not opened.many
    rows = np.random.default_rng(1).integers(0, 15, 40)
    np.testing.assert_array_equal(opened.gather(rows), values[rows])
    assert opened.gather([]).shape == (0, 6)
    assert opened.rows_of(["image 7", "image 0"]).tolist() == [7, 0]
    with pytest.raises(LeukoFlowError, match="image 'image 15' has no features"):
        opened.groups_of(["image 15"])
    for bad in ([-1], [15]):
        with pytest.raises(IndexError):
            opened.gather(bad)


def test_cells_are_grouped_by_image(tmp_path: Path) -> None:
    index = pd.DataFrame({"image_id": ["b", "a", "b", "c", "b"], "cell": [1, 1, 2, 1, 3]})
    write_matrix(tmp_path / "000.npy", [np.arange(10, dtype=np.float32).reshape(5, 2)], 5, index)
    opened = open_files([tmp_path / "000.npy"])
    assert opened.many
    rows, owner = opened.groups_of(["a", "nobody", "b"])
    assert rows.tolist() == [1, 0, 2, 4] and owner.tolist() == [0, 2, 2, 2]


def test_digest_tells_values_apart(tmp_path: Path) -> None:
    index = pd.DataFrame({"image_id": ["a", "b"]})
    x = np.zeros((2, 3), np.float32)
    first = write_matrix(tmp_path / "a.npy", [x], 2, index)
    assert write_matrix(tmp_path / "b.npy", [x[:1], x[1:]], 2, index) == first
    x[1, 1] = 1e-6
    assert write_matrix(tmp_path / "c.npy", [x], 2, index) != first


def test_damage_is_named(tmp_path: Path) -> None:
    paths, values = write(tmp_path, [3, 2])
    with pytest.raises(LeukoFlowError, match="2 rows of features, 3 expected"):
        write_matrix(tmp_path / "x.npy", [values[:2]], 3, pd.DataFrame({"image_id": list("abc")}))
    assert not (tmp_path / "x.npy").exists()
    np.save(paths[1], np.zeros((2, 5), np.float32))
    with pytest.raises(LeukoFlowError, match=r"001.npy: .*other files"):
        open_files(paths)
    np.save(paths[1], values[3:].astype(np.float64))
    with pytest.raises(LeukoFlowError, match=r"001.npy: float64"):
        open_files(paths)
    paths[1].write_bytes(b"nothing")
    with pytest.raises(LeukoFlowError, match=r"001.npy: cannot be read"):
        open_files(paths)
    with pytest.raises(LeukoFlowError, match=r"002.npy: cannot be read"):
        open_files([tmp_path / "002.npy"])


def test_a_selection_gives_the_best_columns_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "scaled").mkdir()
    (path,), values = write(tmp_path / "scaled", [4])
    path.rename(path.with_name("demo.npy"))
    path.with_suffix(".parquet").rename(path.with_name("demo.parquet"))
    write_json(tmp_path / "features.json", {"names": list("abcdef"), "kind": "deep"})
    ranking = pd.DataFrame({"position": [1, 0, 2], "feature": ["b", "e", "a"], "score": [2.0, 3.0, 1.0]})
    write_table(tmp_path / "ranking.csv", ranking)
    opened, facts = open_selection(tmp_path, "demo", 2)
    assert facts["names"] == ["e", "b"] and opened.shape == (2,)
    np.testing.assert_array_equal(opened.gather([3, 0]), values[[3, 0]][:, [4, 1]])
    assert open_selection(tmp_path, "demo", 100)[0].shape == (3,)
    write_json(tmp_path / "features.json", {"names": list("abcdx")})
    with pytest.raises(LeukoFlowError, match=r"demo.npy: holds other features than"):
        open_selection(tmp_path, "demo", 2)
