"""One trained network measured: size, operations, time, memory. Each in a process of its own."""

import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from leukoflow.config.profile import Profile
from leukoflow.core.errors import LeukoFlowError
from leukoflow.cost.macs import Layer, layers_of
from leukoflow.cost.speed import GpuMemory, ProcessMemory, measure
from leukoflow.models import inference, registry

Result = TypeVar("Result")


@dataclass(frozen=True)
class Measured:
    """What was found out of one network."""

    buffers: int
    """Numbers that are saved but not trained, such as running statistics."""
    bytes: int
    """Size of the file of weights (safetensors); of a classifier of features with all that is in front of it."""
    layers: list[Layer]
    """Layers that multiply; none of a forest."""
    speed: list[dict[str, Any]]
    """Rows of `speed.COLUMNS`."""
    parameters: int | None = None
    """Of the whole way from a picture, where that is more than the model's own."""
    trained: int = 0
    """Those in front of the model that were trained."""
    side: int | None = None
    """Side of the pictures that this way starts from, pixels."""
    classifier: "Classifier | None" = None
    """The classifier alone, of a model that reads features."""
    unpruned: "Unpruned | None" = None
    """The network with all its blocks, where training may leave some out."""


@dataclass(frozen=True)
class Classifier:
    """A classifier of features without what makes these of a picture."""

    parameters: int
    bytes: int
    macs: int
    latency_p50_ms: float


@dataclass(frozen=True)
class Unpruned:
    """A network with all its blocks, though training has pruned some."""

    blocks: int
    pruned: int
    """Blocks that are left out."""
    parameters: int
    parameters_saved: int
    """Parameters of the blocks that are left out."""
    macs: int
    latency_p50_ms: float
    """On one thread of the processor."""


class Whole(Protocol):
    """A network from the picture on, around a classifier of features."""

    def in_front(self, trained_stack: bool) -> Any:
        """Parameters, trained ones, buffers and bytes of all but the classifier."""


@dataclass(frozen=True)
class Way:
    """From a picture to a classifier of features."""

    build: Callable[[nn.Module, torch.device], nn.Module]
    """The classifier on a device to a `Whole` there, which reads pictures. It must survive pickling."""
    side: int
    """Side of the pictures, pixels."""
    trained_stack: bool
    """Whether the fusion stack was trained."""


def measure_run(folder: Path, description: Mapping[str, Any], settings: Profile, way: Way | None = None) -> Measured:
    """Measure the network of a run's folder on one thread, and on the GPU if there is one.

    A model that reads features is measured from the picture on where `way` says how these are made; without it only
    the classifier is, and what belongs to a picture stays empty (no layers, no speed).
    In a process of its own: memory that one network has taken and given back would hide what the next one takes.
    LeukoFlowError if that process ends before its time, as it does where memory runs out.
    """
    # Imported here, once: the process below starts as a copy of this one, and imports are no part of what it measures.
    with torch.device("meta"):
        registry.build(
            description["architecture"], len(description["classes"]), description["size"], **description["options"]
        )
    return _in_a_copy(_measure, folder, dict(description), settings, way)


def _in_a_copy(function: Callable[..., Result], *arguments: Any) -> Result:
    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as pool:
        try:
            return pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            raise LeukoFlowError(
                f"{arguments[0]}: measuring this network ended early, most likely for want of memory; allow more, or "
                "leave out large values of evaluation.profile.batches"
            ) from error


def _measure(folder: Path, description: dict[str, Any], settings: Profile, way: Way | None = None) -> Measured:
    torch.set_num_threads(1)
    cpu = torch.device("cpu")
    memory = ProcessMemory()
    weights = folder / "weights.safetensors"
    model = inference.load_model(description, weights)
    measured = _of_model(model, weights)
    if description["reads"] == "features":
        if way is None:
            alone = _alone(model, description, settings, weights)
            return Measured(measured.buffers, measured.bytes, [], [], classifier=alone)
        whole, image = way.build(model, cpu), _image(way.side)
    else:
        whole, image = model, _image_of(description)
    speed = list(measure(whole, image, cpu, settings, memory))
    layers = []
    if description["fitting"] != "direct":
        layers = layers_of(whole, inference.to_input(image, cpu), list(description["firing_rates"]))
    if way is not None:
        measured = _with_front(measured, cast(Whole, whole), way, _alone(model, description, settings, weights))
    measured = replace(measured, unpruned=_unpruned(model, inference.to_input(image, cpu), image, settings))
    if torch.cuda.is_available():
        gpu = inference.best_device()
        on_gpu = whole.to(gpu) if way is None else way.build(model.to(gpu), gpu)
        speed += measure(on_gpu, image, gpu, settings, GpuMemory(gpu))
    return replace(measured, layers=layers, speed=speed)


def _of_model(model: nn.Module, weights: Path) -> Measured:
    """Size of a run's own network."""
    parameters = sum(parameter.numel() for parameter in model.parameters())
    saved = sum(tensor.numel() for tensor in model.state_dict().values())
    return Measured(
        buffers=saved - parameters,
        bytes=weights.stat().st_size,
        layers=[],
        speed=[],
    )


def _with_front(measured: Measured, whole: Whole, way: Way, alone: "Classifier") -> Measured:
    """The size of a classifier of features with what is in front of it."""
    front = whole.in_front(way.trained_stack)
    return replace(
        measured,
        buffers=measured.buffers + front.buffers,
        bytes=measured.bytes + front.bytes,
        parameters=alone.parameters + front.parameters,
        trained=front.trained,
        side=way.side,
        classifier=alone,
    )


def _alone(model: nn.Module, description: Mapping[str, Any], settings: Profile, weights: Path) -> Classifier:
    """The classifier alone, on one row of features."""
    cpu, row = torch.device("cpu"), _image_of(description)
    single = settings.model_copy(update={"batches": (1,)})
    (speed,) = measure(model, row, cpu, single, ProcessMemory())
    return Classifier(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        bytes=weights.stat().st_size,
        macs=sum(layer.macs for layer in layers_of(model, row)),
        latency_p50_ms=speed["p50_ms"],
    )


def _unpruned(model: nn.Module, x: Tensor, image: Tensor, settings: Profile) -> Unpruned | None:
    """The network measured with the blocks that it leaves out; None for one that leaves out none, whatever it learns.

    x: the image as the network takes it.
    """
    blocks = [block for block in model.modules() if getattr(block, "pruning", 0)]
    if not blocks:
        return None
    left_out = [block for block in blocks if block.pruned()]  # type: ignore[operator]
    limits = [block.pruning for block in blocks]
    for block in blocks:
        block.pruning = 0.0  # type: ignore[assignment]
    single = settings.model_copy(update={"batches": (1,)})
    (speed,) = measure(model, image, torch.device("cpu"), single, ProcessMemory())
    macs = sum(layer.macs for layer in layers_of(model, x))
    for block, limit in zip(blocks, limits, strict=True):
        block.pruning = limit
    return Unpruned(
        blocks=len(blocks),
        pruned=len(left_out),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        parameters_saved=sum(parameter.numel() for block in left_out for parameter in block.parameters()),
        macs=macs,
        latency_p50_ms=speed["p50_ms"],
    )


def _image(side: int) -> Tensor:
    """One image uint8 [1, H, H, 3] of random numbers."""
    return torch.randint(0, 256, (1, side, side, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def _image_of(description: Mapping[str, Any]) -> Tensor:
    """What a run's own network reads: one image, or one row of features float32 [1, k] of random numbers."""
    side = description["input_size"]
    if description["reads"] == "features":
        return torch.randn(1, side, generator=torch.Generator().manual_seed(0))
    return _image(side)
