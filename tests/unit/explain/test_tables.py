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


def explained(frame: pd.DataFrame, score: str, method: str = "gradcam", subset: str = "all") -> pd.Series:
    rows = explanations({RUN: frame}, SETTINGS)
    rows = rows[(rows["score"] == score) & (rows["method"] == method) & (rows["subset"] == subset)]
    assert len(rows) == 1 and list(rows.columns) == COLUMNS
    return rows.iloc[0]


def test_means_with_intervals_as_scipy_has_them() -> None:
    frame = table()
    row, values = explained(frame, "insertion"), frame.loc[frame["method"] == "gradcam", "insertion"].to_numpy()
    assert row["value"] == pytest.approx(values.mean()) and (row["images"], row["resampling"]) == (40, "images")
    limits = bootstrap((values,), np.mean, n_resamples=5000, method="percentile", rng=0).confidence_interval
    assert (row["low"], row["high"]) == pytest.approx(limits, abs=0.01)


def test_subsets_are_right_and_wrong_predictions() -> None:
    frame = table()
    gradcam = frame[frame["method"] == "gradcam"]
    assert explained(frame, "cells", subset="right")["value"] == pytest.approx(gradcam["cells"][:20].mean())
    assert explained(frame, "cells", subset="wrong")["value"] == pytest.approx(gradcam["cells"][20:].mean())


def test_ratio_is_one_where_heat_falls_anywhere() -> None:
    frame = table()
    frame["cells"] = frame["cells_area"] * np.where(frame["method"] == "gradcam", 2, 1)
    assert explained(frame, "cells_ratio")["value"] == pytest.approx(2)
    row = explained(frame, "cells_ratio", "uniform")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((1, 1, 1))


def test_gains_are_paired_with_the_uniform_map_and_positive_where_better() -> None:
    frame = table()
    gradcam, uniform = (frame["method"] == name for name in ("gradcam", "uniform"))
    frame.loc[gradcam, "deletion"] = frame.loc[uniform, "deletion"].to_numpy() - 0.1
    frame.loc[gradcam, "insertion"] = frame.loc[uniform, "insertion"].to_numpy() - 0.2
    row = explained(frame, "deletion_gain")
    assert (row["value"], row["low"], row["high"]) == pytest.approx((0.1, 0.1, 0.1))
    assert explained(frame, "insertion_gain")["value"] == pytest.approx(-0.2)
    assert explained(frame, "insertion_gain", "uniform")["value"] == 0


def test_groups_are_drawn_whole() -> None:
    """Four groups of ten equal images each say as much as four images."""
    frame = table(groups=4)
    frame["insertion"] = frame["group"].str[1:].astype(float) / 4
    row = explained(frame, "insertion")
    assert (row["groups"], row["resampling"]) == (4, "groups")
    alone = frame.drop_duplicates(["group", "method"])
    assert row["high"] - row["low"] > 0.4 and row["low"] == pytest.approx(explained(alone, "insertion")["low"])


def test_what_is_not_defined_is_left_out() -> None:
    frame = table()
    frame.loc[frame.index % 2 == 0, "cells"] = np.nan
    frame["nuclei_area"] = np.nan
    row = explained(frame, "cells")
    assert row["images"] == 20 and row["value"] == pytest.approx(frame["cells"][1:40:2].mean())
    row = explained(frame, "nuclei_ratio")
    assert row["images"] == 0 and np.isnan([row["value"], row["low"], row["high"]]).all() and row["resampling"] == ""


def test_no_runs_make_an_empty_table() -> None:
    assert list(explanations({}, SETTINGS).columns) == COLUMNS
