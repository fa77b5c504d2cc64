"""Box plots of features before and after scaling."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from leukoflow.core.files import read_json, read_table
from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import MUTED, PALETTE, Drawn, empty

STAGES = ("before", "after")
SCALINGS = {"zscore": "z-scores", "robust": "median and quartiles"}


def scaling_chart(entries: Mapping[str, tuple[str, pd.DataFrame]]) -> tuple[Figure, pd.DataFrame]:
    """A row for each entry of section features, given with its scaling: boxes of its features before and after.

    The tables have feature, stage, least, q1, median, q3, greatest.
    """
    shown = {name: entry for name, entry in entries.items() if len(entry[1])}
    columns = ["features", "feature", "stage", "least", "q1", "median", "q3", "greatest"]
    if not shown:
        return empty("No features were scaled."), pd.DataFrame(columns=columns)
    figure = Figure(figsize=(9.2, 2.7 * len(shown) + 0.2), layout="constrained")
    grid = figure.subplots(len(shown), 2, squeeze=False)
    for row, (name, (scaling, table)) in zip(grid, shown.items(), strict=True):
        for axes, stage in zip(row, STAGES, strict=True):
            part = table[table["stage"] == stage].dropna()
            boxes = [
                {"whislo": record["least"], "q1": record["q1"], "med": record["median"], "q3": record["q3"],
                 "whishi": record["greatest"], "label": record["feature"], "fliers": []}
                for record in part.to_dict("records")
            ]  # fmt: skip
            if boxes:
                axes.bxp(
                    boxes, showfliers=False, patch_artist=True, boxprops={"facecolor": PALETTE[5], "linewidth": 0.6},
                    medianprops={"color": PALETTE[1]}, whiskerprops={"color": MUTED}, capprops={"color": MUTED},
                )  # fmt: skip
            axes.tick_params(axis="x", rotation=90, labelsize=6)
            axes.grid(axis="y")
            axes.set_title(f"{name}: {stage}" + (f" ({SCALINGS[scaling]})" if stage == "after" else ""))
    table = pd.concat([rows.assign(features=name) for name, (_, rows) in shown.items()], ignore_index=True)
    return figure, table[columns]


def draw_scaling(inputs: Inputs) -> Drawn:
    """Features of a panel before and after scaling, from the `boxes` and `descriptions` of its selections.

    Entries with the same features and the same scaling, which differ in how they are ranked, are shown once.
    """
    described = {run.model: read_json(path) for run, path in inputs.by_run("descriptions").items()}
    entries: dict[str, tuple[str, pd.DataFrame]] = {}
    seen = []
    for run, path in inputs.by_run("boxes").items():
        facts = described[run.model]
        kept = ("kind", "networks", "grid", "stack", "stack_size", "attention", "scaling")
        same = {key: facts.get(key) for key in kept}
        if same not in seen:
            seen.append(same)
            entries[run.model] = (str(facts["scaling"]), read_table(path))
    return scaling_chart(entries)
