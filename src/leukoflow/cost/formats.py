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
        costs = {each["form"]: each for each in read_json(path)["costs"]}
        own = costs["torch"]
        for form, each in costs.items():
            row = {name: each[name] for name in COLUMNS if name in each} | {"model": path.stem, "form": form}
            row |= {
                "latency_ms": each["milliseconds"],
                "bytes_share": each["bytes"] / own["bytes"],
                "accuracy_lost": own["accuracy"] - each["accuracy"],
            }
            rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)
