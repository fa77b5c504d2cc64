"""What the shortcut audit finds in synthetic cohorts, against how far their stain was made to go with the class."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import MUTED, PALETTE, Drawn, empty

COLUMNS = ["protocol", "model", "planted", "measure", "value", "low", "high", "level"]
SHARES = {
    "no_cell_share": ("explained without seeing a cell", PALETTE[1], "o", "-"),
    "colour_share": ("explained by colours, cells' included", PALETTE[4], "s", "--"),
}
SWAP = {
    "swap_flips": ("predictions that change in another class' stain", PALETTE[3], "D", "-"),
    "swap_drop": ("accuracy lost in another class' stain", PALETTE[0], "^", "-"),
}
ACCURACY = {
    "accuracy": ("network", PALETTE[0], "o", "-"),
    "no_cell_accuracy": ("best probe that sees no cell", PALETTE[1], "o", "-"),
    "swap_accuracy": ("network in another class' stain", PALETTE[3], "D", "-"),
}
PROBES = {"scale_bar": ("probe of the file's scale bar", PALETTE[7], "v", ":")}


def planted_chart(
    audit: pd.DataFrame, probes: pd.DataFrame, planted: Mapping[str, float]
) -> tuple[Figure, pd.DataFrame]:
    """A row of three panels for each network and protocol: accuracies, explained shares, what another stain does.

    planted: confounding, 0 to 1, by cohort. Shares above 1 are drawn at 1.
    """
    audited = audit[audit["cohort"].isin(planted) & ~audit["model"].map(is_baseline)]
    rows = _rows(audited, probes, planted)
    if rows.empty:
        return empty("No network was trained on the planted cohorts."), rows
    cases = [(key, part) for key, part in rows.groupby(["protocol", "model"], sort=False)]
    figure = Figure(figsize=(10.5, 4.2 * len(cases)), layout="constrained")
    grid = figure.subplots(len(cases), 3, squeeze=False)
    for line, ((protocol, model), part) in zip(grid, cases, strict=True):
        chance = float(part.loc[part["measure"] == "chance", "value"].mean())
        _lines(line[0], part, ACCURACY | PROBES)
        line[0].axhline(100 * chance, color=MUTED, linestyle=(0, (4, 3)), linewidth=1, label="chance")
        _lines(line[1], part, SHARES)
        _lines(line[2], part, SWAP)
        line[0].set_title(f"{model}, {protocol} split: accuracy, %")
        line[1].set_title("Share of its accuracy above chance, %")
        line[2].set_title("In another class' stain, %")
        for axes in line:
            axes.set_ylim(-8, 104)
            axes.set_xlim(-0.05, 1.05)
            axes.set_xticks(sorted(set(planted.values())))
            axes.set_xlabel("Confounding of stain and class, as planted")
            axes.tick_params(labelbottom=True)
            axes.grid(axis="y")
            if axes.lines:
                axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), fontsize=7.5)
            else:  # not put through other stains
                axes.set_visible(False)
    return figure, rows


def _lines(axes: Axes, rows: pd.DataFrame, measures: Mapping[str, tuple[str, str, str, str]]) -> None:
    for name, (label, colour, marker, style) in measures.items():
        part = rows[(rows["measure"] == name) & rows["value"].notna()].sort_values("planted")
        if len(part):
            values, low, high = (100 * part[column].clip(upper=1) for column in ("value", "low", "high"))
            axes.plot(part["planted"], values, style, color=colour, marker=marker, markersize=5, label=label)
            axes.fill_between(part["planted"], low, high, color=colour, alpha=0.15, linewidth=0)


def _rows(audit: pd.DataFrame, probes: pd.DataFrame, planted: Mapping[str, float]) -> pd.DataFrame:
    """Every measure of every cohort, tidy."""
    records = []
    for row in audit.to_dict("records"):
        facts = {"protocol": row["protocol"], "model": row["model"], "planted": planted[row["cohort"]]}
        facts["level"] = row["level"]
        for name in (*ACCURACY, *SHARES, *SWAP):
            limits = {"value": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}
            records.append(facts | {"measure": name} | limits)
        records.append(facts | {"measure": "chance", "value": row["chance"]})
        same = (probes["cohort"] == row["cohort"]) & (probes["protocol"] == row["protocol"])
        for probe in probes[same & probes["probe"].isin(PROBES)].to_dict("records"):
            limits = {"value": probe["accuracy"], "low": probe["low"], "high": probe["high"]}
            records.append(facts | {"measure": probe["probe"]} | limits)
    return pd.DataFrame(records, columns=COLUMNS).sort_values(["protocol", "model"], kind="stable", ignore_index=True)


def draw_planted(inputs: Inputs) -> Drawn:
    """The audit against what was planted (setting `planted`, by cohort), from `shortcut_audit` and `probes`."""
    return planted_chart(inputs.table("shortcut_audit"), inputs.table("probes"), inputs.settings["planted"])
