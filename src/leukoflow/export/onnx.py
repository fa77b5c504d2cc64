"""PyTorch modules as ONNX files, and those in 8-bit integers."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic

OPSET = 18
QUANTISED = ["Conv", "Gemm", "MatMul"]
"""Operators that go into 8-bit integers."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' running commentary; what fails is raised."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "root")
    before = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for name in names:
                logging.getLogger(name).setLevel(logging.ERROR)
            yield
        finally:
            for name, level in before.items():
                logging.getLogger(name).setLevel(level)


def write_onnx(
    path: Path,
    module: nn.Module,
    example: tuple[Tensor, ...],
    inputs: Sequence[str],
    outputs: Sequence[str],
    sides: int = 0,
) -> None:
    """Write a module as ONNX, atomically, its weights inside; the first axis of a single input may be of any length.

    sides: the second and third axis may be of any length that is a multiple of it; 0 for those of the example.

    Raises LeukoFlowError if it holds something that ONNX does not know.
    """
    free: dict[int, Any] = {0: torch.export.Dim.DYNAMIC}
    if sides:
        free |= {axis: sides * torch.export.Dim(name, min=2, max=256) for axis, name in ((1, "height"), (2, "width"))}
    shapes = (free,) if len(example) == 1 else None
    with _quiet(), atomic(path) as temporary:
        try:
            program = torch.onnx.export(
                module.eval(),
                example,
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=shapes,
                opset_version=OPSET,
                verbose=False,
                external_data=False,
            )
            assert program is not None
            program.save(temporary, external_data=False)
        except Exception as error:  # the exporter's errors share no other base
            reason = " ".join(str(error.__cause__ or error).split())[:200]
            raise LeukoFlowError(f"{path.name}: this network cannot be written as ONNX ({reason})") from error


def write_int8(path: Path, network: Path, images: np.ndarray, spiking: bool) -> None:
    """Write an ONNX network with its convolutions and matrix products in 8-bit integers, atomically.

    Static quantisation (weights for each channel, activations over the whole of a tensor) with the ranges that these
    pictures, uint8 [n, S, S, 3], show. Of a spiking network the currents stay as they are: their rounding would tip the
    neurons, while spikes lose nothing in integers.
    """
    # Imported here because nothing else needs it, and it takes a second.
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(images)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self.left, None)
            return None if image is None else {"images": image[None]}

    with _quiet(), tempfile.TemporaryDirectory() as folder, atomic(path) as temporary:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(network), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(temporary),
            Pictures(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"OpTypesToExcludeOutputQuantization": QUANTISED if spiking else []},
        )
