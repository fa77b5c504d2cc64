"""The models of an experiment against its reference, as the report shows them: measured next to published."""

import pandas as pd

from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.grid import Cell, Grid, Row, grid, number


def comparison(table: pd.DataFrame, several_views: bool) -> Grid | None:
    """Differences to the reference with intervals and adjusted p-values; None if there is no model next to it.

    `table` holds the comparisons of one experiment. Columns of published figures come if there are any.
    """
    if table.empty:
        return None
    reference = table["reference"].iloc[0]
    titles = {
        "published": "Accuracy (as published)",
        "published_reference": f"{reference} (as published)",
        "published_difference": "Difference (as published), points",
    }
    published = {name: title for name, title in titles.items() if table[name].notna().any()}
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["model"]), Cell(row["protocol"])] + ([Cell(row["view"])] if several_views else [])
        cells += [number(row[name], words.percent(row[name])) for name in ("accuracy", "reference_accuracy")]
        cells += [
            number(row["difference"], words.points(row["difference"]), words.points_interval(row["low"], row["high"]))
        ]
        cells += [Cell("" if words.missing(row["low"]) else row["resampling"])]
        cells += [number(row["p_holm"], p_value(row["p_holm"])), Cell(row["test"])]
        for name in published:
            text = words.percent(row[name]) if name != "published_difference" else words.points(row[name])
            cells.append(number(row[name], text))
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Split", *(["View"] if several_views else []), "Accuracy (measured)", f"{reference} (measured)"]
    columns += ["Difference (measured), points", "Interval over", "Adjusted p (measured)", "Test", *published.values()]
    caption = f"Against {reference} on the same test images, the colour baseline first. Small figures are intervals."
    return grid(caption, columns, rows, "comparisons", best="Difference (measured), points")


def p_value(value: float) -> str:
    """A p-value: three decimals, `< 0.001` below that."""
    return "< 0.001" if value < 0.001 else words.decimal(value)
