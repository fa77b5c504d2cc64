"""Modules of attention on single changed images, drawn as the paper of ResNet50 + HMSCAM draws them.

Shown is one run: of the model with most modules, the first fold and seed. Information is of the maps behind all
modules (F3), norms are of the attention between positions.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run
from leukoflow.figures.robustness import FAMILIES
from leukoflow.figures.style import INK, MUTED, PALETTE, SHADES, Drawn, empty

AS_PUBLISHED = ("gaussian_noise", "brightness", "contrast")
"""Families that the paper shows."""
ESTIMATES = {"plain": "by frequencies alone", "information": "less that of random pairs"}
LAST, ATTENTION = "F3", "ContextualSpatialAttention"
SMOOTH = 9
"""Images over which the trend is averaged."""


def shown_run(tables: Mapping[Run, pd.DataFrame]) -> Run | None:
    """The run that is drawn; None without any."""
    modules = {run: table["module"].nunique() for run, table in tables.items()}
    return min(modules, key=lambda run: (-modules[run], run.model, run.fold, run.seed), default=None)


def means_by_image(table: pd.DataFrame, module: str) -> pd.DataFrame:
    """Means over the levels of each family of changes of every image: perturbation, image_id and measures."""
    changed = table[(table["module"] == module) & (table["perturbation"] != "none")]
    measures = ["plain", "information", "norm", "difference", "relative"]
    return changed.groupby(["perturbation", "image_id"], sort=False)[measures].mean().reset_index()


def information_chart(table: pd.DataFrame, model: str) -> tuple[Figure, pd.DataFrame]:
    """Mutual information of `F3` of single images with its changed self: box with points, CDF, and points by image.

    An upper row by frequencies alone, a lower one corrected; `table` holds the images of one run.
    """
    values = means_by_image(table, LAST)
    families = [name for name in AS_PUBLISHED if name in set(values["perturbation"])]
    if not families:
        return empty("None of noise, brightness and contrast has levels here."), values
    values = values[values["perturbation"].isin(families)].reset_index(drop=True)
    figure = Figure(figsize=(9.6, 6.2), layout="constrained")
    for row, (measure, words) in enumerate(ESTIMATES.items()):
        top = 1.05 * float(values[measure].max())
        box, cdf = (figure.add_subplot(2, 3, 3 * row + column) for column in (1, 2))
        polar = figure.add_subplot(2, 3, 3 * row + 3, projection="polar")
        for position, family in enumerate(families):
            information = values.loc[values["perturbation"] == family, measure].to_numpy(float)
            _box(box, position, information)
            order = np.sort(information)
            cdf.step(
                order, np.arange(1, len(information) + 1) / len(information), where="post", color=PALETTE[position],
                label=FAMILIES[family][0],
            )  # fmt: skip
            angles = 2 * np.pi * np.arange(len(information)) / len(information)
            polar.scatter(angles, information, 9, color=PALETTE[position], alpha=0.8)
        box.set_xticks(range(len(families)), [FAMILIES[name][0] for name in families])
        box.set(ylim=(0, top), ylabel="Mutual information (nats)", title=words)
        cdf.set(xlim=(0, top), ylim=(0, 1.02), xlabel="Mutual information (nats)", ylabel="Share of images")
        cdf.legend(loc="upper left")
        polar.set(rlim=(0, top), xticklabels=[], title="by image")
    figure.suptitle(f"{model}, maps behind all modules", fontsize=9, x=0.01, ha="left")
    return figure, values


def _box(axes: Axes, position: int, values: np.ndarray) -> None:
    axes.boxplot(
        values, positions=[position], widths=0.5, showfliers=False, medianprops={"color": INK, "linewidth": 1.4},
        boxprops={"color": MUTED}, whiskerprops={"color": MUTED}, capprops={"color": MUTED}, manage_ticks=False,
    )  # fmt: skip
    aside = 0.16 * np.sin(2.4 * np.arange(len(values)))  # points of near values lie next to each other
    axes.plot(position + aside, values, ".", color=PALETTE[position], markersize=4, alpha=0.8)


def norms_chart(table: pd.DataFrame, model: str) -> tuple[Figure, pd.DataFrame]:
    """Frobenius norms of the change of attention: a heat map of single images, their trend, and information as a radar.

    A row of the heat map is a family of changes, a column an image, in the order of their names. The radar has a spoke
    for each family with levels: mean corrected information of `F3` over images, and its standard deviation shaded.
    """
    norms, information = means_by_image(table, ATTENTION), means_by_image(table, LAST)
    spokes = [name for name in FAMILIES if name in set(information["perturbation"])]
    families = [name for name in AS_PUBLISHED if name in set(norms["perturbation"])] or spokes[:3]
    if norms.empty or not families:
        return empty("This network has no attention between positions, or no family of changes has levels."), norms
    grid = norms.pivot(index="perturbation", columns="image_id", values="difference").loc[families]
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    parts: Any = figure.add_gridspec(2, 2, width_ratios=(1.7, 1))
    heat, trend = figure.add_subplot(parts[0, 0]), figure.add_subplot(parts[1, 0])
    drawn = heat.imshow(grid.to_numpy(float), aspect="auto", cmap=SHADES, vmin=0)
    heat.set_yticks(range(len(families)), [FAMILIES[name][0] for name in families])
    heat.set(xlabel="Test image", title="Frobenius norm of the change of attention")
    figure.colorbar(drawn, ax=heat, fraction=0.04, pad=0.01)
    mean = grid.mean(axis=0).to_numpy(float)
    trend.plot(mean, ".", color=MUTED, markersize=4)
    trend.plot(smoothed(mean), color=PALETTE[1])
    slope, start = np.polyfit(np.arange(len(mean)), mean, 1) if len(mean) > 1 else (0.0, mean[0])
    trend.plot(start + slope * np.arange(len(mean)), color=INK, linestyle="--", linewidth=1)
    trend.set(xlabel="Test image", ylabel="Mean of the rows", ylim=(0, None))
    trend.grid(axis="y")
    _radar(figure.add_subplot(parts[:, 1], projection="polar"), information, spokes)
    figure.suptitle(model, fontsize=9, x=0.01, ha="left")
    shown = norms[norms["perturbation"].isin(families)].assign(module=ATTENTION)
    return figure, pd.concat([shown, information.assign(module=LAST)], ignore_index=True)


def smoothed(values: np.ndarray) -> np.ndarray:
    """Mean over `SMOOTH` neighbours, fewer at both ends, [n] to [n]."""
    weights = np.ones(min(SMOOTH, len(values)))
    return np.convolve(values, weights, "same") / np.convolve(np.ones(len(values)), weights, "same")


def _radar(axes: Any, information: pd.DataFrame, spokes: list[str]) -> None:
    grouped = information.groupby("perturbation")["information"]
    mean, spread = (series.loc[spokes].to_numpy(float) for series in (grouped.mean(), grouped.std().fillna(0)))
    around = np.r_[np.arange(len(spokes)), 0]
    angles = 2 * np.pi * around / len(spokes)
    axes.plot(angles, mean[around], color=PALETTE[0], marker="o", markersize=3)
    low, high = (mean - spread).clip(0)[around], (mean + spread)[around]
    axes.fill_between(angles, low, high, color=PALETTE[0], alpha=0.2, linewidth=0)
    axes.set_xticks(angles[:-1], [FAMILIES[name][0] for name in spokes], fontsize=7)
    axes.set_rlim(0, 1.05 * float((mean + spread).max()) or 1)
    axes.set_title("Information left (nats), mean and SD", pad=14)


def _of_panel(inputs: Inputs) -> tuple[Run, pd.DataFrame] | None:
    tables = {run: read_table(path) for run, path in inputs.by_run("images").items()}
    run = shown_run(tables)
    return None if run is None else (run, tables[run])


def draw_information_images(inputs: Inputs) -> Drawn:
    """Information of single images of a panel, from `images`, module_images.parquet of its runs."""
    panel = _of_panel(inputs)
    if panel is None:
        return empty("No network here has modules of attention."), pd.DataFrame()
    return information_chart(panel[1], panel[0].model)


def draw_frobenius_images(inputs: Inputs) -> Drawn:
    """Norms of single images of a panel, from `images`, module_images.parquet of its runs."""
    panel = _of_panel(inputs)
    if panel is None:
        return empty("No network here has modules of attention."), pd.DataFrame()
    return norms_chart(panel[1], panel[0].model)
