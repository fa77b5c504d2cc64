"""Forms of exported models, compared with PyTorch's."""

import pytest

from leukoflow.core.files import write_json
from leukoflow.core.inputs import Inputs
from leukoflow.cost.formats import COLUMNS, formats_table


def cost(form: str, size: int, accuracy: float, same: float) -> dict:
    return {"form": form, "bytes": size, "milliseconds": 2.0, "images": 50, "accuracy": accuracy, "same": same,
            "largest_difference": 0.1, "within": 1.0}  # fmt: skip


def test_a_row_for_each_form_and_what_eight_bits_lose(tmp_path) -> None:
    costs = [cost("torch", 1000, 0.9, 1.0), cost("onnx", 1100, 0.9, 1.0), cost("int8", 300, 0.86, 0.94)]
    write_json(tmp_path / "net.json", {"costs": costs, "examples": 3})
    table = formats_table(Inputs({"exports": [tmp_path / "net.json"]}, {}))
    assert list(table.columns) == COLUMNS and table["form"].tolist() == ["torch", "onnx", "int8"]
    last = table.iloc[2]
    assert (last["model"], last["bytes"], last["same"], last["accuracy"]) == ("net", 300, 0.94, 0.86)
    assert last["bytes_share"] == pytest.approx(0.3) and last["accuracy_lost"] == pytest.approx(0.04)
    assert len(formats_table(Inputs({}, {}))) == 0
