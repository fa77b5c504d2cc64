"""Numbers that are none: weights that hold NaN or infinity are refused wherever they are read or written."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leukoflow.core.errors import LeukoFlowError


def check_finite(file: str | Path, tensors: Mapping[str, Any], advice: str) -> None:
    """Raise LeukoFlowError, naming file and tensor, if a number is NaN or infinite; `advice` says what to do.

    tensors: of NumPy or PyTorch, any shape and type of numbers.
    """
    for name in sorted(tensors):
        values = tensors[name].reshape(-1)
        if not len(values):
            continue
        if "float8" in str(values.dtype):  # PyTorch compares none of 8 bits
            values = values.float()
        # Both give NaN if any value is; their difference could overflow.
        if not (math.isfinite(values.min()) and math.isfinite(values.max())):
            raise LeukoFlowError(f"{file}: tensor {name} holds NaN or infinity; {advice}")
