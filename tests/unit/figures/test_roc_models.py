"""ROC curves of the models of an experiment in one panel."""

import pandas as pd

from leukoflow.core.files import write_table
from leukoflow.core.inputs import Inputs
from leukoflow.figures.roc_models import MOST, draw_roc_models


def test_macro_averages_of_the_experiments_models_the_best_in_colours(tmp_path) -> None:  # type: ignore[no-untyped-def]
    names = ["colour_histogram", *(f"m{number:02d}" for number in range(MOST + 2))]
    rows = [
        ("v", "image", name, kind, label, role, x, y, 0.5 + number / 100)
        for number, name in enumerate([*names, "of_another_experiment"])
        for kind, label, role in (
            ("roc", "macro average", "test"), ("roc", "Early", "test"), ("pr", "macro average", "test"),
            ("roc", "macro average", "external"),
        )
        for x, y in ((0.0, 0.0), (0.3, 0.6), (1.0, 1.0))
    ]  # fmt: skip
    columns = ["view", "protocol", "model", "kind", "class", "role", "x", "y", "area"]
    file = tmp_path / "curves.csv"
    write_table(file, pd.DataFrame(rows, columns=columns))
    figure, table = draw_roc_models(Inputs({"curves": [file]}, {"models": names, "panel": {"experiment": "e"}}))
    assert len(table) == 3 * len(names) and set(table["model"]) == set(names)
    axes = figure.axes[0]
    assert len(axes.lines) == 1 + len(names) + 2 * (MOST + 1)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    # The curves rise to 0.6 at a false positive rate of 0.3.
    assert texts[0] == f"m{MOST + 1:02d} {0.5 + (MOST + 2) / 100:.3f}, 0.02 | 0.10"
    assert texts[MOST] == "colour_histogram 0.500, 0.02 | 0.10" and len(texts) == MOST + 1 + 2
