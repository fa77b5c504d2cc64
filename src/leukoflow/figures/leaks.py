"""What leaks made on purpose are worth: the difference that each makes to each model, with its interval."""

import pandas as pd
from matplotlib.figure import Figure

from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import MUTED, Drawn, empty, protocol_style

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro F1"}


def leaks_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A row for each leak, model and view of table `leaks`, a panel for each metric: points gained by the leak, and the
    interval; a hollow mark has none, for no answer differs."""
    if table.empty:
        return empty("No protocol with leaks was run next to its twin without."), table
    several = table["view"].nunique() > 1
    names = table["leaks"] + "\n" + table["protocol"] + ": " + table["model"]
    table = table.assign(row=names + (", " + table["view"] if several else ""))
    rows = list(dict.fromkeys(table["row"]))
    figure = Figure(figsize=(8.6, 1.0 + 0.5 * len(rows)), layout="constrained")
    grid = figure.subplots(1, len(METRICS), sharey=True)
    for axes, (metric, title) in zip(grid, METRICS.items(), strict=True):
        for row in table[table["metric"] == metric].to_dict("records"):
            y, value = rows.index(row["row"]), 100 * row["difference"]
            colour, marker = protocol_style(row["protocol"])
            known = not pd.isna(row["low"])
            if known:
                axes.plot([100 * row["low"], 100 * row["high"]], [y, y], color=colour, linewidth=1.8)
            axes.plot(value, y, marker, color=colour, markersize=6, fillstyle="full" if known else "none")
        axes.set_title(f"{title}, points gained by the leak")
        axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(rows)), rows)
    grid[0].set_ylim(len(rows) - 0.5, -0.5)
    return figure, table.drop(columns="row")


def draw_leaks(inputs: Inputs) -> Drawn:
    """What the leaks of a cohort's and task's protocols are worth, from its table `leaks`."""
    return leaks_chart(inputs.table("leaks"))
