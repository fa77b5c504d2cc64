"""ROC curves of all models of an experiment in one panel: the macro average over classes."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.curves import LABELS, MACRO, mark_handles, marked, true_rates
from leukoflow.figures.style import INK, MUTED, PALETTE, RULE, Drawn, empty, panels, wrap

MOST = len(PALETTE)
"""Models in colours, those of the largest areas; the others are grey."""


def roc_models_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each view and protocol, a line for each model; the colour baseline is broken.

    `table` holds points of macro averages: view, protocol, model, x, y, area.
    """
    if table.empty:
        return empty("No curve was measured."), table
    places = list(dict.fromkeys(table[["view", "protocol"]].itertuples(index=False, name=None)))
    figure, grid = panels(len(places), 3, 5.2, 3.6)
    for axes, (view, protocol) in zip(grid, places, strict=True):
        part = table[(table["view"] == view) & (table["protocol"] == protocol)]
        areas = part.drop_duplicates("model").set_index("model")["area"].sort_values(ascending=False, kind="stable")
        leading = [name for name in areas.index if not is_baseline(str(name))][:MOST]
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
        handles = []
        for name in reversed(areas.index):
            line = part[part["model"] == name]
            style: dict[str, Any] = {"color": MUTED, "linewidth": 0.6}
            if is_baseline(str(name)):
                style = {"color": INK, "linewidth": 1.2, "linestyle": (0, (3, 2))}
            elif name in leading:
                style = {"color": PALETTE[leading.index(name)], "linewidth": 1.4}
            axes.plot(line["x"], line["y"], **style)
            if name in leading or is_baseline(str(name)):
                marked(axes, line, style["color"])
                text = f"{wrap(str(name), 34)} {areas[name]:.3f}, {true_rates(line)}"
                handles.append(Line2D([], [], label=text, **style))
        axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), aspect="equal", xlabel=LABELS["roc"][0])
        axes.set_ylabel(LABELS["roc"][1])
        axes.set_title(f"{view} view, {protocol} split")
        axes.legend(
            handles=[*handles[::-1], *mark_handles()], loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=6.5,
            title="area, TPR at both marks", title_fontsize=7,
        )  # fmt: skip
        axes.grid()
    return figure, table.reset_index(drop=True)


def draw_roc_models(inputs: Inputs) -> Drawn:
    """Macro average ROC of the models that setting `models` names, from the `curves` of the experiment's panels."""
    columns = ["view", "protocol", "model", "x", "y", "area"]
    kept = []
    for table in inputs.tables("curves"):
        macro = (table["kind"] == "roc") & (table["class"] == MACRO) & (table["role"] == "test")
        kept.append(table[macro & table["model"].isin(inputs.settings["models"])])
    filled = [table for table in kept if len(table)]
    return roc_models_chart(pd.concat(filled, ignore_index=True)[columns] if filled else pd.DataFrame(columns=columns))
