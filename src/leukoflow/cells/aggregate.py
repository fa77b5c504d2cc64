"""From cells to images: what is typical of an image's white cells, and how much they differ."""

import numpy as np
import pandas as pd

from leukoflow.cells.morphology import FEATURE_NAMES
from leukoflow.core.errors import LeukoFlowError

COUNTS = ("cells", "border_cells")
"""Cells in sight, and those of them that the picture's edge cuts."""
POOLED = "nuclear_area_fraction"
"""Nuclear area of an image's whole cells over their area: its N:C ratio with large cells counting more."""


def feature_names() -> list[str]:
    """The columns that describe the cells' morphology, in the order of the table of images.

    Counts of cells are none of them: how many a field holds depends on where it was taken and on the objective.
    """
    return [POOLED, *(f"{name}_{statistic}" for statistic in ("median", "sd") for name in FEATURE_NAMES)]


def aggregate(cells: pd.DataFrame, image_ids: pd.Series) -> pd.DataFrame:
    """One row for each of these images, in their order: image_id, the `COUNTS`, then `feature_names()`.

    cells: image_id, border, and the features of `cells.morphology`. Medians and standard deviations (ddof 1) are over
    the cells that the edge does not cut, leaving NaN out; NaN if an image has none, the deviation also if it has
    one. Raises LeukoFlowError naming an image of the cells that is not among those given.
    """
    unknown = ~cells["image_id"].isin(image_ids)
    if unknown.any():
        name = cells.loc[unknown, "image_id"].iloc[0]
        raise LeukoFlowError(f"{name}: has cells but is not in the manifest; segment its cohort again")
    names = list(FEATURE_NAMES)
    border = cells["border"].to_numpy(bool)
    whole = cells.loc[~border, ["image_id", *names]]
    grouped = whole.groupby("image_id", sort=False)[names]
    area, nuclear = (whole[name] for name in ("cell_area_um2", "nucleus_area_um2"))
    sums = pd.DataFrame(
        {"image_id": whole["image_id"], "area": area.where(nuclear.notna()), "nuclear": nuclear}, copy=False
    )
    sums = sums.groupby("image_id", sort=False).sum(min_count=1)
    table = pd.DataFrame(index=pd.Index(image_ids, name="image_id"))
    counted = cells.groupby("image_id", sort=False)["border"].agg(["size", "sum"]).reindex(table.index).fillna(0)
    parts = [
        counted.astype(np.int64).set_axis(list(COUNTS), axis=1),
        (sums["nuclear"] / sums["area"]).rename(POOLED).to_frame(),
        grouped.median().add_suffix("_median"),
        grouped.std().add_suffix("_sd"),
    ]
    summary = pd.concat([part.reindex(table.index) for part in parts], axis=1).reset_index()
    return summary.astype(dict.fromkeys(feature_names(), np.float32))
