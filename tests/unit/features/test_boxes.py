"""Five numbers of features before and after scaling."""

import numpy as np
from matplotlib.cbook import boxplot_stats

from leukoflow.features.boxes import COLUMNS, MOST, boxes
from leukoflow.features.scaling import apply, fit
from leukoflow.figures.scaling import scaling_chart


def test_boxes_are_those_of_matplotlib_with_whiskers_to_the_extremes() -> None:
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(80, 30)) * np.arange(1, 31) + 7).astype(np.float32)
    x[3, 4] = np.nan
    scaled = apply(fit(x, "zscore"), x)
    order = rng.permutation(30)
    table = boxes(x, scaled, [f"f{number}" for number in range(30)], order)
    assert table.columns.tolist() == COLUMNS and len(table) == 2 * MOST
    assert table["feature"].tolist()[::2] == [f"f{number}" for number in order[:MOST]]
    for row in table.to_dict("records"):
        column = int(row["feature"][1:])
        values = (x if row["stage"] == "before" else scaled)[:, column]
        known = values[~np.isnan(values)]
        expected = boxplot_stats(known.astype(float), whis=(0, 100))[0]
        quartiles = [row[name] for name in ("least", "q1", "median", "q3", "greatest")]
        np.testing.assert_allclose(
            quartiles, [expected[name] for name in ("whislo", "q1", "med", "q3", "whishi")], rtol=1e-6
        )
    after = table[table["stage"] == "after"]
    assert (after["median"].abs() < 0.5).all() and (after["greatest"] <= 3).all()


def test_a_row_for_each_entry_with_its_boxes() -> None:
    x = np.random.default_rng(1).normal(size=(40, 4)).astype(np.float32)
    table = boxes(x, apply(fit(x, "robust"), x), list("abcd"), np.arange(4))
    figure, shown = scaling_chart({"one": ("robust", table), "two": ("robust", table.iloc[:0])})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["one: before", "one: after (median and quartiles)"]
    first = table[table["stage"] == "before"]
    medians = [line.get_ydata()[0] for line in figure.axes[0].lines if len(set(line.get_ydata())) == 1]
    assert set(first["median"]) <= set(medians)
    assert len(shown) == 8
