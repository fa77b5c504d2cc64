"""How the roles of a split are made up of classes."""

import pandas as pd
from matplotlib.figure import Figure

from leukoflow.config.protocols import in_order
from leukoflow.config.tasks import task_of
from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import Drawn, class_colour, legend_columns, panels

ROLES = ("train", "validation", "test")


def composition_chart(table: pd.DataFrame, classes: tuple[str, ...]) -> Figure:
    """A panel for each protocol, a bar for each role: shares of the classes, summed over folds; images at its end.

    `table`: protocol, fold, class and images in each role.
    """
    protocols = in_order(table["protocol"])
    figure, grid = panels(len(protocols), 2, 4.1, 1.5)
    for axes, protocol in zip(grid, protocols, strict=True):
        rows = table[table["protocol"] == protocol]
        counts = rows.groupby("class")[list(ROLES)].sum().reindex(list(classes), fill_value=0)
        shares = counts / counts.sum().clip(lower=1)
        start = shares.cumsum() - shares
        for number, name in enumerate(classes):
            axes.barh(ROLES, shares.loc[name], left=start.loc[name], color=class_colour(number), label=name)
        per_fold = counts.sum() / rows["fold"].nunique()
        for y, role in enumerate(ROLES):
            axes.annotate(f"{per_fold[role]:,.0f}", (1, y), (4, 0), textcoords="offset points", va="center")
        axes.set(title=f"{protocol} split", xlim=(0, 1))
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
        axes.grid(False)
    handles, labels = grid[0].get_legend_handles_labels()
    columns = legend_columns(handles, figure, len(classes))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
    return figure


def draw_composition(inputs: Inputs) -> Drawn:
    """Classes of each role, from the table `composition`."""
    table = inputs.rows("composition")
    return composition_chart(table, task_of(inputs).classes), table
