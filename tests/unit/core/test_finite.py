"""NaN and infinity in weights."""

import numpy as np
import pytest
import torch

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.finite import check_finite

TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e5m2)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("index", [0, 3, 5])
def test_the_tensor_is_named_whatever_its_type(value: float, dtype: torch.dtype, index: int) -> None:
    bad = torch.ones(6)
    bad[index] = value
    tensors = {"a.weight": torch.ones(2, dtype=dtype), "b.bias": bad.reshape(2, 3).to(dtype)}
    with pytest.raises(LeukoFlowError, match=r"^w\.safetensors: tensor b\.bias holds NaN or infinity; train again$"):
        check_finite("w.safetensors", tensors, "train again")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_arrays_are_held_to_the_same(value: float) -> None:
    with pytest.raises(LeukoFlowError, match="tensor x holds"):
        check_finite("w", {"x": np.array([[1.0, value]])}, "")


def test_the_largest_numbers_counts_and_nothing_are_finite() -> None:
    largest = torch.finfo(torch.float32).max
    tensors = {"largest": torch.tensor([largest, -largest]), "none": torch.empty(0, 3), "count": torch.tensor(7)}
    tensors |= {"mask": torch.tensor([True, False]), "bytes": torch.tensor([0, 255], dtype=torch.uint8)}
    assert check_finite("w", tensors, "") is None
    assert check_finite("w", {"half": np.array([65504, -65504], np.float16), "n": np.array([3])}, "") is None
