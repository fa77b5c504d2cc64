"""One trained network measured: size, operations, time, memory. Each in a process of its own."""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from leukoflow.config.profile import Profile
from leukoflow.core.errors import LeukoFlowError
from leukoflow.evaluation.macs import Layer, layers_of
from leukoflow.evaluation.speed import GpuMemory, ProcessMemory, measure
from leukoflow.models import inference, registry

Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """What was found out of one network."""

    buffers: int
    """Numbers that are saved but not trained, such as running statistics."""
    bytes: int
    """Size of the file of weights (safetensors)."""
    layers: list[Layer]
    """Layers that multiply; none of a forest."""
    speed: list[dict[str, Any]]
    """Rows of `speed.COLUMNS`."""


def measure_run(folder: Path, description: Mapping[str, Any], settings: Profile) -> Measured:
    """Measure the network of a run's folder on one thread, and on the GPU where there is one.

    In a process of its own: memory that one network has taken and given back would hide what the next one takes.
    LeukoFlowError where that process ends before its time, as it does where memory runs out.
    """
    # Imported here, once: the process below starts as a copy of this one, and imports are no part of what it measures.
    with torch.device("meta"):
        registry.build(
            description["architecture"], len(description["classes"]), description["size"], **description["options"]
        )
    return _in_a_copy(_measure, folder, dict(description), settings)


def _in_a_copy(function: Callable[..., Result], *arguments: Any) -> Result:
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise LeukoFlowError(
                f"{arguments[0]}: measuring this network ended early, most likely for want of memory; allow more, or "
                "leave out large values of evaluation.profile.batches"
            ) from error


def _measure(folder: Path, description: dict[str, Any], settings: Profile) -> Measured:
    torch.set_num_threads(1)
    image, cpu = _image(description), torch.device("cpu")
    memory = ProcessMemory()
    weights = folder / "weights.safetensors"
    model = inference.load_model(description, weights)
    speed = list(measure(model, image, cpu, settings, memory))
    layers = []
    if description["fitting"] != "direct":
        layers = layers_of(model, inference.to_input(image, cpu), list(description["firing_rates"]))
    parameters = sum(each.numel() for each in model.parameters())
    saved = sum(each.numel() for each in model.state_dict().values())
    if torch.cuda.is_available():
        gpu = inference.best_device()
        speed += measure(model.to(gpu), image, gpu, settings, GpuMemory(gpu))
    return Measured(
        buffers=saved - parameters,
        bytes=weights.stat().st_size,
        layers=layers,
        speed=speed,
    )


def _image(description: Mapping[str, Any]) -> Tensor:
    """One image uint8 [1, H, H, 3], or one row of features float32 [1, k], of random numbers."""
    side, draw = description["input_size"], torch.Generator().manual_seed(0)
    if description["reads"] == "features":
        return torch.randn(1, side, generator=draw)
    return torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8, generator=draw)
