"""Cohorts that are joined: what is a laboratory's own keeps its name, and pairs and groups are those found before."""

from pathlib import Path

import pandas as pd

from leukoflow.core.files import read_table, write_table
from leukoflow.core.shards import FILES
from leukoflow.quality.audit import audit
from leukoflow.quality.pool import pooled_groups, pooled_pairs
from leukoflow.steps import pool
from leukoflow.steps.manifest import MANIFEST

POOLS = {"both": ("a", "b")}
GROUPS = pd.DataFrame(
    [("a", "1.png", "g1", "c1"), ("a", "2.png", "g2", "c1"), ("b", "1.png", "g1", "c1"), ("z", "1.png", "g9", "c1")],
    columns=["cohort", "image_id", "duplicate_group", "acquisition"],
)
PAIRS = pd.DataFrame(
    [("a", "1.png", "b", "1.png", "near"), ("a", "2.png", "z", "1.png", "near")],
    columns=["cohort_a", "image_a", "cohort_b", "image_b", "kind"],
)


def test_groups_are_those_of_the_laboratories() -> None:
    rows = pooled_groups(GROUPS, POOLS)
    assert rows["image_id"].tolist() == ["a/1.png", "a/2.png", "b/1.png"] and set(rows["cohort"]) == {"both"}
    # Copies are one group across laboratories; clusters of two laboratories are never one.
    assert rows["duplicate_group"].tolist() == ["g1", "g2", "g1"]
    assert rows["acquisition"].tolist() == ["a/c1", "a/c1", "b/c1"]
    assert pooled_groups(GROUPS, {}).empty


def test_pairs_within_the_pool_are_told_and_no_others() -> None:
    rows = pooled_pairs(PAIRS, POOLS)
    assert rows[["cohort_a", "image_a", "cohort_b", "image_b"]].to_numpy().tolist() == [
        ["both", "a/1.png", "both", "b/1.png"]
    ]
    assert pooled_pairs(PAIRS, {}).empty


def test_tables_are_joined_with_their_laboratory_and_files_are_found(tmp_path: Path) -> None:
    options = []
    for name, patients in (("a", ["p1", None]), ("b", ["p1", "p2"])):
        folder = tmp_path / name
        folder.mkdir()
        manifest = pd.DataFrame({column: [None, None] for column in MANIFEST}).assign(
            image_id=["x.png", "y.png"], path=["x.png", "y.png"], label=["k", "m"], patient=patients
        )
        write_table(folder / "manifest.parquet", manifest)
        write_table(folder / "quality.parquet", pd.DataFrame({"image_id": ["x.png", "y.png"], "focus": [1.0, 2.0]}))
        files = pd.DataFrame({column: [1.0, 2.0] for column in FILES}).assign(
            image_id=["x.png", "y.png"], path=["x.png", "y.png"]
        )
        write_table(folder / "files.parquet", files)
        options += ["--cohort", name, str(folder), f"/data/{name}"]
    outputs = {kind: tmp_path / f"{kind}.parquet" for kind in ("manifest", "quality", "files")}
    pool.main([*options, *(word for kind, path in outputs.items() for word in (f"--{kind}", str(path)))])
    manifest = read_table(outputs["manifest"])
    assert manifest["image_id"].tolist() == ["a/x.png", "a/y.png", "b/x.png", "b/y.png"]
    assert manifest["site"].tolist() == ["a", "a", "b", "b"]
    assert manifest["patient"].fillna("none").tolist() == ["a/p1", "none", "b/p1", "b/p2"]
    assert read_table(outputs["quality"])["image_id"].tolist() == manifest["image_id"].tolist()
    assert manifest["path"].tolist() == read_table(outputs["files"])["path"].tolist() == [
        "/data/a/x.png", "/data/a/y.png", "/data/b/x.png", "/data/b/y.png",
    ]  # fmt: skip


def test_a_laboratory_in_two_roles_breaks_the_promise() -> None:
    images = pd.DataFrame(
        {
            "image_id": list("pqrs"),
            "site": ["a", "a", "b", "b"],
            "duplicate_group": list("pqrs"),
            "sha256": list("pqrs"),
        }
    )
    split = images.assign(
        y=[0, 1, 0, 1], label=["k", "m", "k", "m"], group=list("pqrs"), fold=0,
        role=["train", "validation", "test", "test"],
    )  # fmt: skip
    none = pd.DataFrame(columns=["image_a", "image_b", "kind"])

    def broken(split: pd.DataFrame) -> set[str]:
        return {finding.check for finding in audit(split, images, none, "laboratory", True) if finding.broken}

    assert "site" not in broken(split)
    assert "site" in broken(split.assign(role=["train", "test", "validation", "test"]))
