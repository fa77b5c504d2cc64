"""The step that draws a shard of a synthetic cohort."""

import hashlib
import json
from pathlib import Path

import pandas as pd
import pytest

from leukoflow.cohorts.synthetic import plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import synthesise

SETTINGS = {
    "kind": "synthetic",
    "images": 10,
    "patients": 4,
    "size": 48,
    "faults": {"corrupt": 0.3, "exact_duplicates": 0.2},
}


def drawn(root: Path, shards: int, order: list[int]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The listings put together, and the digest of every file, after drawing the shards in the given order."""
    for shard in order:
        output = root / "drawn" / f"{shard:03d}.parquet"
        arguments = ["--settings", json.dumps(SETTINGS), "--shard", str(shard), "--shards", str(shards)]
        synthesise.main([*arguments, "--root", str(root), "--output", str(output)])
    listing = pd.concat([pd.read_parquet(path) for path in sorted((root / "drawn").iterdir())], ignore_index=True)
    files = [path for folder in ("images", "masks") for path in (root / folder).rglob("*") if path.is_file()]
    return listing, {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_shards_in_any_order_give_the_bytes_of_the_whole(tmp_path: Path) -> None:
    whole, files = drawn(tmp_path / "whole", 1, [0])
    parts, same = drawn(tmp_path / "parts", 3, [2, 0, 1])
    pd.testing.assert_frame_equal(whole, parts)
    assert files == same
    assert list(whole.columns) == ["path", "label", "patient", "slide", "site", "mask"]
    assert sorted([*whole["path"], *whole["mask"]]) == sorted(files)


def test_damaged_files_and_copies_are_written_as_planned_and_listed(tmp_path: Path) -> None:
    _, files = drawn(tmp_path, 1, [0])
    table = plan(SyntheticCohort.model_validate(SETTINGS))
    sizes = {row.corrupt: (tmp_path / row.path).stat().st_size for row in rows(table)}
    assert sizes["empty"] == 0 and sizes["text"] < 100 and sizes["truncated"] < sizes[""]
    for row in rows(table[table["duplicate_kind"] == "exact"]):
        assert files[row.path] == files[table["path"][row.duplicate_of]]


def test_a_shard_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    arguments = ["--settings", json.dumps(SETTINGS), "--root", str(tmp_path), "--output", str(tmp_path / "a.parquet")]
    with pytest.raises(LeukoFlowError, match="--shard 3: there are 3 shards; give 0 to 2"):
        synthesise.main([*arguments, "--shard", "3", "--shards", "3"])
    assert not list(tmp_path.iterdir())
