"""What a leak made on purpose is worth: a protocol with it against its twin without, on the same test images."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.stats.paired import paired
from leukoflow.stats.samples import Sample, sample_of

COLUMNS = [
    "cohort", "task", "view", "model", "protocol", "leaks", "against", "metric", "runs", "images", "units",
    "with_leak", "without", "difference", "low", "high", "interval",
]  # fmt: skip
METRICS = {"accuracy": "accuracy", "f1": "macro_f1"}
"""Metrics of `stats.paired`, and their names here."""


def worth(
    pairs: Mapping[Run, tuple[pd.DataFrame, pd.DataFrame]], classes: int, settings: Evaluation
) -> list[dict[str, Any]]:
    """A row of each metric: with the leak, without, the difference, and its interval.

    `pairs` holds for each run with the leak its answers and those without: image_id, group, y, probabilities, of the
    test images alone. Values are means over runs. For the interval images are drawn, or their groups if these are
    larger, and both sides meet the same ones; there is none if no answer differs. LeukoFlowError if the two sides have
    other test images.
    """
    first: dict[tuple[int, int], Sample] = {}
    second: dict[tuple[int, int], Sample] = {}
    for run, both in pairs.items():
        leaky, honest = (table.sort_values("image_id", ignore_index=True) for table in both)
        if list(leaky["image_id"]) != list(honest["image_id"]):
            raise LeukoFlowError(
                f"{run.name}: its test images are not those of the run without leaks; predict both again"
            )
        for side, table in ((first, leaky), (second, honest)):
            names = [str(number) for number in range(classes)]
            side[run.fold, run.seed] = sample_of(run, table, names, run.cohort, "test")
    differences, _ = paired(first, second, settings)
    images = len(pd.concat([table["image_id"] for table, _ in pairs.values()]).unique())
    units = len(pd.concat([table["group"].fillna(table["image_id"]) for table, _ in pairs.values()]).unique())
    kind = "groups" if units < images else "images"
    rows = []
    for name, metric in METRICS.items():
        difference = differences[name]
        row = {"metric": metric, "runs": len(pairs), "images": images, "units": units}
        row |= {"with_leak": difference.first, "without": difference.second, "difference": difference.difference}
        rows.append(
            row | {"low": difference.low, "high": difference.high, "interval": "" if np.isnan(difference.low) else kind}
        )
    return rows


def leaks_table(
    answers: Mapping[Run, pd.DataFrame], pairs: Mapping[str, Mapping[str, Any]], classes: int, settings: Evaluation
) -> pd.DataFrame:
    """`COLUMNS`: a row for each view, model, protocol with leaks that has a twin, and metric.

    `answers` holds the test images of each run of one cohort and task; `pairs`, by protocol with leaks, its twin
    (`against`), what it has and the twin has not (`leaks`), and the models that this can touch (`models`).
    """
    rows: list[dict[str, Any]] = []
    cells: dict[tuple[str, str, str], list[Run]] = {}
    for run in answers:
        if run.protocol in pairs and run.model in pairs[run.protocol]["models"]:
            cells.setdefault((run.view, run.protocol, run.model), []).append(run)
    for (view, protocol, model), runs in sorted(cells.items()):
        asked = pairs[protocol]
        twins = [replace(run, protocol=asked["against"]) for run in runs]
        if missing := [twin.name for twin in twins if twin not in answers]:
            raise LeukoFlowError(f"{missing[0]}: no answers to compare with those of {protocol}; predict again")
        both = {run: (answers[run], answers[twin]) for run, twin in zip(runs, twins, strict=True)}
        facts = {"cohort": runs[0].cohort, "task": runs[0].task, "view": view, "model": model, "protocol": protocol}
        facts |= {"leaks": " + ".join(asked["leaks"]), "against": asked["against"]}
        rows += [facts | row for row in worth(both, classes, settings)]
    return pd.DataFrame(rows, columns=COLUMNS)
