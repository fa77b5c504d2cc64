"""Files are whole or absent."""

import csv
import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.core import files
from leukoflow.core.errors import LeukoFlowError


def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "table.csv"
    files.write_text(target, "old")
    with pytest.raises(ValueError, match="NaN|JSON"):
        files.write_json(target, {"x": float("nan")})
    with pytest.raises(RuntimeError), files.atomic(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "old"
    assert os.listdir(target.parent) == ["table.csv"]


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "No space left on device); make room"), (errno.EROFS, "allow writing there")]
)
def test_a_disk_that_is_full_or_closed_is_told_in_one_line(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(LeukoFlowError, match=f"t.json: cannot be written .*{re.escape(words)}"):  # noqa: SIM117
        with files.atomic(tmp_path / "t.json"):
            raise OSError(number, os.strerror(number))
    with pytest.raises(FileNotFoundError), files.atomic(tmp_path / "t.json"):
        (tmp_path / "other").read_text()
    assert not os.listdir(tmp_path)


def test_a_mapped_file_larger_than_allowed_is_told_before_it_is_written(tmp_path: Path) -> None:
    code = f"""
import resource, numpy as np
from leukoflow.images.shards import write_shard
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
write_shard({str(tmp_path / "000.npy")!r}, iter([np.zeros((64, 64, 3), np.uint8)] * 4), 4, 64)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "LeukoFlowError" in done.stderr and "000.npy: cannot be written (File too large); make room" in done.stderr
    assert not os.listdir(tmp_path)


def test_the_temporary_lies_beside_the_target_with_its_suffix(tmp_path: Path) -> None:
    with files.atomic(tmp_path / "a.npy") as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".npy" and temporary.name != "a.npy"
        temporary.write_bytes(b"x")
    assert (tmp_path / "a.npy").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_tables_come_back(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    files.write_table(tmp_path / name, table)
    pd.testing.assert_frame_equal(files.read_table(tmp_path / name), table)
    assert list(files.read_table(tmp_path / name, ["b"]).columns) == ["b"]


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.json"])
def test_damaged_files_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x00\xff" if name != "t.csv" else b"")
    read = files.read_json if name.endswith("json") else files.read_table
    with pytest.raises(LeukoFlowError, match=name):
        read(tmp_path / name)
    with pytest.raises(LeukoFlowError, match="absent"):
        read(tmp_path / name.replace("t.", "absent."))


def test_a_trees_digest_is_its_contents(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("one")
    first = files.tree_digest(tmp_path)
    os.utime(tmp_path / "x", ns=(1, 1))
    assert files.tree_digest(tmp_path) == first
    (tmp_path / "x").write_text("two")
    assert files.tree_digest(tmp_path) != first


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_texts_come_back_whatever_they_look_like(tmp_path: Path, name: str) -> None:
    texts = ["NA", "nan", "None", "007", "1.0", "True", "=1+1", "a\rb", "a\nb", 'q"q', "x,y", " ", "\u2028", "$1$"]
    table = pd.DataFrame({"class": texts, "true": texts, "predicted": texts, "value": range(len(texts))})
    files.write_table(tmp_path / name, table)
    back = files.read_table(tmp_path / name)
    assert {column: back[column].tolist() for column in back} == {column: table[column].tolist() for column in table}
    # Other readers see the same rows.
    if name == "t.csv":
        with open(tmp_path / name, encoding="utf-8", newline="") as stream:
            assert [row[0] for row in csv.reader(stream)][1:] == texts


def test_numbers_stay_numbers_and_what_is_missing_stays_missing(tmp_path: Path) -> None:
    table = pd.DataFrame({"class": ["1", None], "predicted": [0.5, np.nan], "value": [np.inf, 2.0]})
    files.write_table(tmp_path / "t.csv", table)
    back = files.read_table(tmp_path / "t.csv")
    assert back["class"][0] == "1" and back["class"].isna().tolist() == [False, True]
    assert back["predicted"].dtype == float and back["predicted"].isna().tolist() == [False, True]
    assert back["value"].tolist() == [np.inf, 2.0]
