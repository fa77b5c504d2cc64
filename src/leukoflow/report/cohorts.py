"""Section Cohorts of the report: what images there are, and what is wrong with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.report import grid
from leukoflow.report.embed import Picture

KINDS = {
    "image": "usable images",
    "rejected": "rejected",
    "mask": "masks",
    "table": "tables",
    "excluded": "excluded by the config",
    "litter": "hidden or left by a system or editor",
}
"""What the report calls each kind of file."""
RECALL = Path(__file__).with_name("recall.csv")
"""Share of planted copies that are found, of each kind; written by tests/benchmarks/duplicates.py."""


def cohorts_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> dict[str, Any]:
    """Facts, labels and samples of each cohort; rejected files and duplicates."""
    return {
        "cohorts": _cohorts(study, tables["cohorts"], pictures),
        "rejects": grid.rejects(tables["cohorts"]),
        "duplicates": [picture for picture in pictures if picture.family == "duplicates"],
        "conflicts": grid.conflicts(tables["label_conflicts"]),
        "recall": grid.recall(pd.read_csv(RECALL)),
    }


def _cohorts(study: Study, table: pd.DataFrame, pictures: Sequence[Picture]) -> list[dict[str, Any]]:
    entries = []
    for name, cohort in study.cohorts.items():
        facts = table[table["cohort"] == name]
        if facts.empty:
            continue
        whole = facts[facts["label"] == ""].set_index("fact")["measured"].to_dict()
        across = facts[(facts["fact"] == "images with a duplicate") & (facts["label"] != "")]
        entries.append(
            {
                "name": name,
                "kind": cohort.kind,
                "facts": whole,
                "across": [(row.label, row.measured) for row in across.itertuples()],
                "files": _files(facts),
                "labels": grid.cohort_labels(facts),
                "pictures": [
                    picture for picture in pictures if picture.family == "samples" and picture.parts[0] == name
                ],
            }
        )
    return entries


def _files(facts: pd.DataFrame) -> str:
    """One sentence on all files of the cohort's tree; empty for a cohort that was drawn."""
    counts = facts[facts["fact"] == "files"].set_index("label")["measured"].to_dict()
    if not counts:
        return ""
    parts = [f"{words.count(counts[kind])} {title}" for kind, title in KINDS.items() if kind in counts]
    return f"{words.plural(counts[''], 'file')} in its folder: {words.listed(parts)}."
