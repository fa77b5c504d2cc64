"""Statistics of cells by image against plain loops."""

import time

import numpy as np
import pandas as pd
import pytest

from leukoflow.cells.aggregate import COUNTS, aggregate, feature_names
from leukoflow.cells.morphology import FEATURE_NAMES
from leukoflow.core.errors import LeukoFlowError


def some_cells(images: int, most: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    names = np.repeat([f"i{k}" for k in range(images)], rng.integers(0, most + 1, images))
    table = pd.DataFrame(rng.normal(10, 3, (len(names), len(FEATURE_NAMES))), columns=list(FEATURE_NAMES))
    table.insert(0, "image_id", names)
    table.insert(1, "border", rng.random(len(names)) < 0.3)
    table.loc[rng.random(len(names)) < 0.2, ["nucleus_area_um2", "nc_ratio"]] = np.nan
    return table


def test_every_image_has_the_numbers_of_its_whole_cells():
    cells = some_cells(30, 6)
    ids = pd.Series([f"i{k}" for k in range(29, -1, -1)])
    table = aggregate(cells, ids)
    assert table["image_id"].tolist() == ids.tolist()
    assert table.columns.tolist() == ["image_id", *COUNTS, *feature_names()]
    for _, row in table.iterrows():
        rows = cells[cells["image_id"] == row["image_id"]]
        whole = rows[~rows["border"]]
        assert (row["cells"], row["border_cells"]) == (len(rows), rows["border"].sum())
        for name in ("cell_area_um2", "nc_ratio"):
            values = whole[name].dropna().to_numpy()
            median = np.median(values) if len(values) else np.nan
            sd = np.std(values, ddof=1) if len(values) > 1 else np.nan
            assert [row[f"{name}_median"], row[f"{name}_sd"]] == pytest.approx([median, sd], rel=1e-5, nan_ok=True)
        seen = whole.dropna(subset=["nucleus_area_um2"])
        pooled = seen["nucleus_area_um2"].sum() / seen["cell_area_um2"].sum() if len(seen) else np.nan
        assert row["nuclear_area_fraction"] == pytest.approx(pooled, rel=1e-5, nan_ok=True)
    assert table["cell_area_um2_median"].isna().any()  # the draw has images without whole cells


def test_images_without_cells_have_none_and_nan():
    table = aggregate(some_cells(3, 0), pd.Series(["i0", "i1"]))
    assert table[list(COUNTS)].to_numpy().tolist() == [[0, 0], [0, 0]] and table[feature_names()].isna().all().all()
    assert table["cells"].dtype == np.int64 and (table[feature_names()].dtypes == np.float32).all()


def test_cells_of_an_unknown_image_are_refused():
    with pytest.raises(LeukoFlowError, match=r"i0: has cells but is not in the manifest"):
        aggregate(some_cells(3, 4, seed=1).assign(image_id="i0"), pd.Series(["i1"]))


def test_a_hundred_thousand_cells_take_no_time():
    cells = some_cells(30_000, 7)
    start = time.process_time()
    aggregate(cells, pd.Series([f"i{k}" for k in range(30_000)]))
    assert time.process_time() - start < 5


def test_counts_are_no_features():
    assert not set(COUNTS) & set(feature_names()) and len(set(feature_names())) == 2 * len(FEATURE_NAMES) + 1
