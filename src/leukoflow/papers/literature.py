"""What the papers print of other people's work, next to their own results and to ours.

Cited results are of other images, splits and metrics; none of them was measured by us.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from leukoflow.config.published import Paper, papers
from leukoflow.core.inputs import Inputs

CITED, PUBLISHED, MEASURED = "cited", "published", "measured"
COLUMNS = [
    "paper", "system", "source", "whose", "where", "task", "images", "protocol", "accuracy", "low", "high", "macro_f1",
    "parameters", "megabytes", "note",
]  # fmt: skip


def literature(papers: Mapping[str, Paper], reproduced: pd.DataFrame) -> pd.DataFrame:
    """`COLUMNS`: by paper, the works that it cites (`cited`), its own accuracies (`published`) and ours (`measured`).

    reproduced: table `published_vs_reproduced`. Its rows of accuracy on test images, of all classes, are the paper's
    own results; each stands before what was measured here of it: on images divided at random, then under the strictest
    other split.
    """
    rows: list[dict[Any, Any]] = []
    for paper in papers.values():
        facts = {"paper": paper.paper, "system": paper.system}
        for cited in paper.literature:
            row = facts | cited.model_dump(include={"where", "task", "images", "accuracy", "macro_f1", "parameters"})
            rows.append(row | {"source": CITED, "whose": cited.work, "megabytes": cited.megabytes, "note": cited.note})
        accuracies = reproduced[(reproduced["paper"] == paper.paper) & (reproduced["metric"] == "accuracy")]
        known = {number.key: number for number in paper.numbers if number.of_test_images and not number.label}
        for row in accuracies[accuracies["number"].isin(known)].to_dict("records"):
            setting = {"task": row["task"], "images": row["dataset"], "note": row["note"]}
            said = {
                "source": PUBLISHED,
                "whose": row["what"].removeprefix("accuracy").lstrip(", "),
                "where": row["where"],
            }
            said |= {"protocol": row["published_protocol"], "accuracy": row["published"]}
            rows.append(facts | setting | said | {"low": row["published_low"], "high": row["published_high"]})
            rows += [facts | {"task": row["task"]} | measured for measured in _measured(row)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _measured(row: Mapping[Any, Any]) -> list[dict[str, Any]]:
    """Ours of a published accuracy, under both protocols, where they were run."""
    facts = {"source": MEASURED, "whose": row["model"], "where": "", "images": row["cohort"]}
    facts |= {"parameters": row["parameters"], "note": row["differences"]}
    kinds = [
        ("protocol", "reproduced", "low", "high"),
        ("strictest_protocol", "strictest", "strictest_low", "strictest_high"),
    ]
    return [
        facts | {"protocol": row[protocol], "accuracy": row[value], "low": row[low], "high": row[high]}
        for protocol, value, low, high in kinds
        if not pd.isna(row[value])
    ]


def literature_table(inputs: Inputs) -> pd.DataFrame:
    """Table `literature`, from `published_vs_reproduced`."""
    return literature(papers(), inputs.table("published_vs_reproduced"))
