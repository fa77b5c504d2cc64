"""What each part of a model, or of the chain of its pictures, is worth."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import MUTED, PALETTE, Drawn, empty, panels, wrap

WHOLE = "whole"
MEASURES = {
    "accuracy": ("difference", "low", "high", PALETTE[0], "o"),
    "macro F1": ("f1_difference", "f1_low", "f1_high", PALETTE[1], "s"),
}


def ablation_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each model and protocol, a line for each part: differences to the whole with their intervals.

    `table` holds the rows of one experiment.
    """
    parts = table[table["part"] != WHOLE]
    places = list(dict.fromkeys(parts[["model", "protocol"]].itertuples(index=False, name=None)))
    if not places:
        return empty("No part was left out."), table
    most = max(len(part) for _, part in parts.groupby(["model", "protocol"]))
    figure, grid = panels(len(places), 3, 3.9 if len(places) > 1 else 6.2, 0.9 + 0.36 * most)
    for axes, (model, protocol) in zip(grid, places, strict=True):
        differences = parts[(parts["model"] == model) & (parts["protocol"] == protocol)]
        whole = table[(table["model"] == model) & (table["protocol"] == protocol) & (table["part"] == WHOLE)].iloc[0]
        for step, (value, low, high, colour, marker) in enumerate(MEASURES.values()):
            rows = np.arange(len(differences)) + 0.24 * (step - 0.5)
            axes.hlines(rows, differences[low], differences[high], color=colour, linewidth=1.4)
            axes.plot(differences[value], rows, marker, color=colour, markersize=4.5)
        axes.axvline(0, color=MUTED, linewidth=0.8)
        axes.set_yticks(range(len(differences)), [wrap(name.replace("_", " "), 30) for name in differences["part"]])
        axes.set_ylim(len(differences) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter(lambda share, _: f"{100 * share:+.3g}" if share else "0")
        axes.grid(axis="x")
        axes.set_title(
            f"{wrap(f'{model}, {protocol} split', 40)}\nwhole: accuracy {whole['accuracy']:.1%}, "
            f"macro F1 {whole['macro_f1']:.1%}",
            fontsize=8.5,
        )
    figure.supxlabel("Without the part less the whole, percentage points", fontsize=9)
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=4.5, label=name)
        for name, (*_, colour, marker) in MEASURES.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2)
    return figure, table.reset_index(drop=True)


def draw_ablation(inputs: Inputs) -> Drawn:
    """What each part is worth in an experiment, from the table `ablation`."""
    return ablation_chart(inputs.rows("ablation", ("experiment",)))
