"""Exported models by form: PyTorch, ONNX Runtime, and its 8-bit integers."""

import pandas as pd

from leukoflow.core.files import read_json
from leukoflow.core.inputs import Inputs

COLUMNS = [
    "model", "form", "bytes", "bytes_share", "latency_ms", "images", "accuracy", "accuracy_lost", "same",
    "largest_difference",
]  # fmt: skip


def formats_table(inputs: Inputs) -> pd.DataFrame:
    """`COLUMNS`: a row for each form of each exported model, compared with PyTorch's, from `exports` (MODEL.json)."""
    rows = []
    for path in inputs.paths("exports"):
        costs = {cost["form"]: cost for cost in read_json(path)["costs"]}
        reference = costs["torch"]
        for form, cost in costs.items():
            row = {name: cost[name] for name in COLUMNS if name in cost} | {"model": path.stem, "form": form}
            row |= {
                "latency_ms": cost["milliseconds"],
                "bytes_share": cost["bytes"] / reference["bytes"],
                "accuracy_lost": reference["accuracy"] - cost["accuracy"],
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)
