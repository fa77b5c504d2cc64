import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawing import TASK, drawn, tables
from fake_study import CELL_TABLES, CLASSES, cell_arguments, finished_study, texts

from leukoflow.cells.morphology import FEATURE_NAMES
from leukoflow.cells.tables import COLUMNS
from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import cell_tables, neighbours

PANEL = "demo.subtype.plain.acquisition"


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def of_cells(fake, cohort: str) -> dict[str, Path]:
    files = {"manifest": f"cohorts/{cohort}/manifest.parquet", "view": f"views/{cohort}.plain/view.json"}
    files |= {name: f"cells/{cohort}/{name}.parquet" for name in ("cells", "images")}
    return {name: fake.root / file for name, file in files.items()}


def test_tables_hold_every_cohort_feature_and_run(fake):
    made = {name: pd.read_csv(path) for name, path in tables(fake.root, *CELL_TABLES).items()}
    for name, table in made.items():
        assert table.columns.tolist() == COLUMNS[name] and len(table)
    cells = made["cells"]
    assert set(FEATURE_NAMES) < set(cells["feature"]) and set(cells["cohort"]) == {"demo", "away"}
    whole = cells[(cells["cohort"] == "demo") & cells["label"].isna() & (cells["feature"] == "nc_ratio")].iloc[0]
    known = pd.read_parquet(fake.root / "cells/demo/cells.parquet")
    assert whole["median"] == pytest.approx(known.loc[~known["border"], "nc_ratio"].median())
    assert set(made["selection"]["features"]) == {"hybrid", "morphology"}
    assert set(made["segmentation"]["trained_on"]) == {"all", "without_masked", "without_drawn"}


def test_a_study_without_cells_or_features_has_headers(tmp_path):
    cell_tables.main(["--outputs", *(str(tmp_path / f"{name}.csv") for name in CELL_TABLES)])
    for name in CELL_TABLES:
        table = pd.read_csv(tmp_path / f"{name}.csv")
        assert table.empty and table.columns.tolist() == COLUMNS[name]


def test_a_missing_manifest_and_an_unknown_table_are_named(fake, tmp_path):
    arguments = cell_arguments(fake)
    with pytest.raises(LeukoFlowError, match="there is no table cellz"):
        cell_tables.main([*arguments, "--outputs", str(tmp_path / "cellz.csv")])
    index = arguments.index("--manifests")
    with pytest.raises(LeukoFlowError, match="the manifest of away is missing"):
        cell_tables.main([*arguments[:index], *arguments[index + 3 :], "--outputs", str(tmp_path / "cells.csv")])


def test_stages_show_a_typical_image_of_each_class(fake, tmp_path):
    normalised = fake.root / "views/demo.normalised/view.json"
    files = of_cells(fake, "demo")
    table = drawn("stages", tmp_path / "stages.png", {"task": TASK}, normalised=normalised, **files)
    assert table["class"].tolist() == list(CLASSES) and table["cells"].tolist() == [2] * 4
    assert table["cut_cells"].tolist() == [1] * 4


def test_contact_sheets_and_archives(fake, tmp_path):
    files = of_cells(fake, "demo")
    table = drawn("contact", tmp_path / "contact.png", {"task": TASK}, **files)
    assert table["class"].value_counts().tolist() == [3] * 4
    shard = fake.root / "cells/demo/000"
    maps, index = np.load(shard.with_suffix(".npy")), pd.read_parquet(shard.with_suffix(".parquet"))
    np.save(tmp_path / "parts.npy", (maps[::-1] > 0).astype(np.uint8) * 3)
    index[::-1].to_parquet(tmp_path / "index.parquet")
    files |= {"masks": tmp_path / "parts.npy", "index": tmp_path / "index.parquet"}
    table = drawn("archive", tmp_path / "archive.png", {"task": TASK}, **files)
    # The masks here are the very cells that were found, in another order; the second shard's images have none.
    assert (table["kept_cells"] == table["cells"]).all() and set(table["class"]) == {"Benign", "Early"}


def test_segmentation(fake, tmp_path):
    table = drawn("segmentation", tmp_path / "segmentation.png", **tables(fake.root, "segmentation", "instances"))
    assert set(table["source"]) == {"masked", "drawn"}


def test_selection_and_map(fake, tmp_path):
    folders = fake.path(f"selections/{PANEL}.*")
    rankings, stabilities = ([folder / f"{name}.csv" for folder in folders] for name in ("ranking", "stability"))
    table = drawn("selection", tmp_path / "selection.png", rankings=rankings, stabilities=stabilities)
    assert set(table["panel"]) == {"ranking", "jaccard", "kuncheva"}
    files = {"manifest": fake.root / "cohorts/demo/manifest.parquet", "groups": fake.root / "quality/groups.parquet"}
    matrices = [folder / "scaled/demo.npy" for folder in folders]
    table = drawn("embedding", tmp_path / "embedding.png", {"task": TASK}, matrices=matrices, **files)
    arguments = ["--manifest", str(files["manifest"]), "--groups", str(files["groups"]), "--matrices", *texts(matrices)]
    output = ["--output", str(tmp_path / "neighbours.csv")]
    neighbours.main(["--settings", json.dumps(TASK), *arguments, *output])
    assert table.groupby("features")["image_id"].nunique().to_dict() == {"hybrid": 120, "morphology": 120}
    near = pd.read_csv(tmp_path / "neighbours.csv")
    assert near.columns.tolist() == COLUMNS["neighbours"]
    near = near.set_index(["features", "group"])["share"]
    assert near["morphology", "class"] > 0.95 and near["hybrid", "cluster"] > near["morphology", "cluster"] + 0.3


def test_feature_count(fake, tmp_path):
    board = pd.read_csv(fake.root / "tables/leaderboard.csv")
    names = {"neurallnet": "net_10", "resnet50_hmscam": "net_20"}
    board.assign(model=board["model"].replace(names)).to_csv(tmp_path / "leaderboard.csv", index=False)
    models = {
        f"net_{count}": {"architecture": "hybridcn_nas", "features": "hybrid", "options": {"features": count}}
        for count in (10, 20)
    }
    settings = {"panel": {"cohort": "demo", "task": "subtype", "view": "plain"}, "models": models}
    leaderboard = tmp_path / "leaderboard.csv"
    table = drawn("feature_count", tmp_path / "feature_count.png", settings, leaderboard=leaderboard)
    assert table.groupby("protocol")["k"].agg(list).tolist() == [[10, 20], [10, 20]]
