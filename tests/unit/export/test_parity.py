"""How far ONNX Runtime may be from PyTorch."""

import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.export.folder import _check
from leukoflow.runtime.schema import Cost


def cost(within: float, images: int = 400) -> Cost:
    return Cost(
        form="onnx", bytes=1, milliseconds=1, images=images, accuracy=1, largest_difference=0.1, within=within, same=1
    )  # fmt: skip


@pytest.mark.parametrize(
    ("within", "tipped"),
    [(1.0, None), (1.0, 0.0), (0.93, 0.04), (0.9975, 0.0)],
)
def test_rounding_is_let_pass(within: float, tipped: float | None) -> None:
    _check(cost(within), tipped)


@pytest.mark.parametrize(
    ("within", "tipped"),
    [(0.999, None), (0.8, 0.04), (0.5, 0.1), (0.98, 0.0)],
)
def test_more_than_rounding_is_refused(within: float, tipped: float | None) -> None:
    with pytest.raises(LeukoFlowError, match="cannot be exported"):
        _check(cost(within), tipped)


def test_few_pictures_leave_more_to_chance() -> None:
    _check(cost(11 / 12, images=12), 0.0)
    with pytest.raises(LeukoFlowError):
        _check(cost(6 / 12, images=12), 0.0)
