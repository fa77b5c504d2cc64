import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.explain.tables import COLUMNS, MEANS, explanations

RUN = Run("demo", "subtype", "plain", "image", "net", 0, 42)
SETTINGS = Evaluation(resamples=2000)


def table(images: int = 40, groups: int = 40) -> pd.DataFrame:
    """Two methods on the same images; the first half of the images predicted right."""
    random, parts = np.random.default_rng(0), []
    for method, is_reference in (("gradcam", False), ("uniform", True)):
        part = pd.DataFrame({"image_id": [f"{number:03d}" for number in range(images)], "method": method})
        part = part.assign(reference_map=is_reference, y=0, predicted=np.arange(images) // (images // 2))
        part["group"] = [f"g{number % groups}" for number in range(images)]
        numbers = {name: random.uniform(0.2, 0.8, images) for name in MEANS}
        parts.append(part.assign(**numbers))
    return pd.concat(parts, ignore_index=True)


def found(given: pd.DataFrame, score: str, method: str = "gradcam", subset: str = "all") -> pd.Series:
    rows = explanations({RUN: given}, SETTINGS)
    rows = rows[(rows["score"] == score) & (rows["method"] == method) & (rows["subset"] == subset)]
    assert len(rows) == 1 and list(rows.columns) == COLUMNS
    return rows.iloc[0]


def test_means_with_intervals_as_scipy_has_them() -> None:
    given = table()
    row, values = found(given, "insertion"), given.loc[given["method"] == "gradcam", "insertion"].to_numpy()
    assert row["value"] == pytest.approx(values.mean()) and (row["images"], row["resampling"]) == (40, "images")
    limits = bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=0).confidence_interval
    assert (row["low"], row["high"]) == pytest.approx(limits, abs=0.01)


def test_subsets_are_right_and_wrong_predictions() -> None:
    given = table()
    own = given[given["method"] == "gradcam"]
    assert found(given, "cells", subset="right")["value"] == pytest.approx(own["cells"][:20].mean())
    assert found(given, "cells", subset="wrong")["value"] == pytest.approx(own["cells"][20:].mean())


def test_ratio_is_one_where_heat_falls_anywhere() -> None:
    given = table()
    given["cells"] = given["cells_area"] * np.where(given["method"] == "gradcam", 2, 1)
    assert found(given, "cells_ratio")["value"] == pytest.approx(2)
    row = found(given, "cells_ratio", "uniform")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((1, 1, 1))


def test_gains_are_paired_with_the_uniform_map_and_positive_where_better() -> None:
    given = table()
    own, uniform = (given["method"] == name for name in ("gradcam", "uniform"))
    given.loc[own, "deletion"] = given.loc[uniform, "deletion"].to_numpy() - 0.1
    given.loc[own, "insertion"] = given.loc[uniform, "insertion"].to_numpy() - 0.2
    row = found(given, "deletion_gain")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.1, 0.1, 0.1))
    assert found(given, "insertion_gain")["value"] == pytest.approx(-0.2)
    assert found(given, "insertion_gain", "uniform")["value"] == 0


def test_groups_are_drawn_whole() -> None:
    """Four groups of ten equal images each say as much as four images."""
    given = table(groups=4)
    given["insertion"] = given["group"].str[1:].astype(float) / 4
    row = found(given, "insertion")
    assert (row["groups"], row["resampling"]) == (4, "groups")
    alone = given.drop_duplicates(["group", "method"])
    assert row["high"] - row["low"] > 0.4 and row["low"] == pytest.approx(found(alone, "insertion")["low"])


def test_what_is_not_defined_is_left_out() -> None:
    given = table()
    given.loc[given.index % 2 == 0, "cells"] = np.nan
    given["nuclei_area"] = np.nan
    row = found(given, "cells")
    assert row["images"] == 20 and row["value"] == pytest.approx(given["cells"][1:40:2].mean())
    row = found(given, "nuclei_ratio")
    assert row["images"] == 0 and np.isnan([row["value"], row["low"], row["high"]]).all() and row["resampling"] == ""


def test_no_runs_make_an_empty_table() -> None:
    assert list(explanations({}, SETTINGS).columns) == COLUMNS
