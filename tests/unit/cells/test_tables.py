import time

import numpy as np
import pandas as pd
import pytest

from leukoflow.cells.tables import COLUMNS, UNLABELLED, cell_rows, gathered, of_run
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run


@pytest.fixture
def cohort() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    manifest = pd.DataFrame({"image_id": ["i0", "i1", "i2", "i3"], "label": ["b", "a", None, "a"]})
    images = pd.DataFrame({"image_id": manifest["image_id"], "cells": [2, 3, 1, 0], "border_cells": [1, 0, 0, 0]})
    cells = pd.DataFrame(
        {
            "image_id": ["i0", "i0", "i1", "i1", "i1", "i2"],
            "border": [True, False, False, False, False, False],
            "size": [99.0, 5.0, 1.0, 2.0, np.nan, 7.0],
        }
    )
    return manifest, images, cells


def rows(manifest, images, cells, units=None) -> pd.DataFrame:
    records = cell_rows("home", manifest, images, units or {"size": "µm"}, lambda name: cells[name].to_numpy())
    return pd.DataFrame(records)


def test_features_are_of_cells_that_no_edge_cuts_by_label(cohort):
    table = rows(*cohort)
    table = table[table["feature"] == "size"].set_index("label")
    assert table.index.tolist() == ["", "a", "b", UNLABELLED] and set(table["unit"]) == {"µm"}
    assert table.loc["", ["images", "cells", "median"]].tolist() == [3, 4, 3.5]
    assert table.loc["a", ["images", "cells", "median", "q1", "q3"]].tolist() == [1, 2, 1.5, 1.25, 1.75]
    assert table.loc["b", "median"] == 5 and table.loc[UNLABELLED, "median"] == 7


def test_quartiles_are_those_of_pandas(cohort):
    manifest, images, _ = cohort
    random = np.random.default_rng(0)
    cells = pd.DataFrame({"image_id": random.choice(["i0", "i1", "i3"], 500), "border": random.random(500) < 0.2})
    cells["size"] = np.where(random.random(500) < 0.1, np.nan, random.gamma(3, 2, 500))
    table = rows(manifest, images, cells).query("feature == 'size'").set_index("label")
    whole = cells[~cells["border"]].merge(manifest, on="image_id").dropna(subset=["size"])
    by_label = whole.groupby("label")["size"]
    for label in ("a", "b"):
        expected = by_label.quantile([0.25, 0.5, 0.75]).loc[label].tolist()
        assert table.loc[label, ["q1", "median", "q3"]].tolist() == pytest.approx(expected)
        assert table.loc[label, "cells"] == by_label.size()[label]


def test_facts_of_images(cohort):
    manifest, images, cells = cohort
    images = images.assign(um_per_pixel=[0.2, 0.3, 0.2, np.nan], scale_confidence=[1, 0.5, 0, 0])
    images["scale_source"] = ["own", "own", "assumed", "assumed"]
    table = rows(manifest, images, cells).set_index(["label", "feature"])
    assert table.loc[("", "cells_per_image"), ["images", "cells", "median"]].tolist() == [4, 6, 1.5]
    assert table.loc[("", "images_without_cells"), "images"] == 1 == table.loc[("a", "images_without_cells"), "images"]
    assert table.loc[("b", "border_cells_per_image"), "median"] == 1
    assert table.loc[("", "um_per_pixel"), ["images", "cells", "median"]].tolist() == [3, 6, 0.2]
    assert table.loc[("", "scale_own"), ["images", "cells"]].tolist() == [2, 5]
    assert table.loc[("a", "scale_assumed"), "images"] == 1 and table.loc[("a", "scale_cohort"), "images"] == 0


def test_a_cohort_without_cells_has_rows_of_nothing(cohort):
    manifest, images, cells = cohort
    table = rows(manifest, images.assign(cells=0, border_cells=0), cells[:0])
    assert table.loc[table["feature"] == "size", "cells"].eq(0).all()


def test_cells_of_an_image_that_the_manifest_does_not_name_are_an_error(cohort):
    manifest, images, cells = cohort
    with pytest.raises(LeukoFlowError, match="home: i2 was segmented but is not in the manifest"):
        rows(manifest[manifest["image_id"] != "i2"], images[images["image_id"] != "i2"], cells)


def test_millions_of_cells_take_seconds(cohort):
    manifest, images, _ = cohort
    count = 500_000
    random = np.random.default_rng(0)
    columns = {
        "image_id": np.array(["i0", "i1", "i3"], object)[random.integers(0, 3, count)],
        "border": random.random(count) < 0.2,
        "size": random.random(count).astype(np.float32),
    }
    start = time.perf_counter()
    rows = list(cell_rows("home", manifest, images, {"size": ""}, columns.__getitem__))
    assert time.perf_counter() - start < 10 and rows[-4]["cells"] == int((~columns["border"]).sum())


def test_a_table_without_rows_has_its_header():
    for name, columns in COLUMNS.items():
        assert gathered(name, []).columns.tolist() == columns


def test_a_table_that_lacks_a_column_is_an_error():
    with pytest.raises(LeukoFlowError, match="stability: a table has no column jaccard"):
        gathered("stability", [pd.DataFrame(columns=[name for name in COLUMNS["stability"] if name != "jaccard"])])


def test_a_selection_carries_its_place_and_is_cut():
    run = Run("home", "kind", "plain", "image", "deep", 1, 42)
    ranking = pd.DataFrame({"position": range(2500)[::-1], "feature": "f", "score": 1.0})
    table = gathered("selection", [of_run("selection", run, ranking)])
    assert len(table) == 2000 and table["position"].max() == 1999
    assert table.iloc[0][["cohort", "features", "fold"]].tolist() == ["home", "deep", 1]
