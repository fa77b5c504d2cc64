"""The files of an exported folder that are made from a trained model, and what its forms cost."""

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.numpy import load_file
from torch import Tensor, nn

from leukoflow.cells.segmenter import load_segmenter
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json
from leukoflow.export.gradient import inputs_of, outputs_of, tail
from leukoflow.export.network import Exported
from leukoflow.export.onnx import write_int8, write_onnx
from leukoflow.models.inference import save_tensors, to_input
from leukoflow.runtime.schema import FILES, Cost, Role
from leukoflow.runtime.sessions import session

THUMBNAIL = 112
"""Largest side of the small pictures, pixels."""
PASSES = 30
"""Passes that are timed."""
TOLERANCE = 1e-4
"""Largest difference of a logit from PyTorch's that is rounding."""
ROUNDINGS = 4
"""The same of a classifier of features, in roundings of PyTorch's own."""
Logits = Callable[[np.ndarray], np.ndarray]
ONNX_FORMS: dict[str, Role] = {"onnx": "model", "int8": "int8"}
"""Forms that ONNX Runtime runs, and the files that hold them."""


def write_networks(folder: Path, model: nn.Module, calibration: np.ndarray) -> Exported:
    """Write the network, its 8-bit form and its heat as ONNX.

    model: in evaluation mode on the CPU; calibration: pictures uint8 [n, S, S, 3].
    """
    exported = Exported(model)
    images = torch.from_numpy(calibration[:2])
    write_onnx(folder / FILES["model"], exported, (images,), ["images"], exported.outputs)
    one, label = images[:1], torch.zeros(1, dtype=torch.int64)
    with torch.no_grad():
        outputs = dict(zip(exported.outputs, exported(one), strict=True))
    maps = [outputs[name] for name in exported.maps]
    heat = tail(copy.deepcopy(model), one, maps)
    names = inputs_of(heat, exported.maps)
    write_onnx(folder / FILES["heat"], heat, (*maps, label, one)[: len(names)], names, outputs_of(model))
    write_int8(folder / FILES["int8"], folder / FILES["model"], calibration, exported.spiking)
    return exported


def costs(folder: Path, model: nn.Module, images: np.ndarray, y: np.ndarray) -> tuple[Cost, ...]:
    """What PyTorch, ONNX Runtime and its 8-bit form make of held-out pictures uint8 [n, S, S, 3] of classes int [n].

    Raises LeukoFlowError if ONNX Runtime does not give PyTorch's answers.
    """

    weights = folder / FILES["weights"]
    forms = {"torch": (weights, _by_torch(model))}
    spiking, scaled = Exported(model).spiking, hasattr(model, "chosen")
    if spiking or scaled:
        forms["exact"] = weights, _by_torch(copy.deepcopy(model).double())
    forms |= {form: (folder / FILES[role], _by_onnx(folder / FILES[role])) for form, role in ONNX_FORMS.items()}
    truth = _over(forms["torch"][1], images)
    by_form = {
        form: _cost(form, path, logits, truth if form == "torch" else _over(logits, images), truth, images, y)
        for form, (path, logits) in forms.items()
    }
    _check(
        by_form["onnx"],
        1 - by_form["exact"].within if spiking else None,
        by_form["exact"].largest_difference if scaled else 0.0,
    )
    return tuple(by_form.values())


def _by_torch(model: nn.Module) -> Logits:
    """Logits as PyTorch computes them, in the precision of the weights."""
    dtype = next(model.parameters()).dtype

    @torch.inference_mode()
    def logits(images: np.ndarray) -> np.ndarray:
        return model(to_input(torch.from_numpy(images), torch.device("cpu")).to(dtype)).numpy()

    return logits


def _by_onnx(path: Path) -> Logits:
    network = session(path.read_bytes(), path.name)
    return lambda images: network.run(["logits"], {"images": images})[0]


def _over(logits: Logits, images: np.ndarray) -> np.ndarray:
    return np.concatenate([logits(image[None]) for image in images])


def _cost(
    form: str, path: Path, logits: Logits, outputs: np.ndarray, truth: np.ndarray, images: np.ndarray, y: np.ndarray
) -> Cost:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    spent = []
    for _ in range(PASSES):
        started = time.perf_counter()
        logits(images[:1])
        spent.append(time.perf_counter() - started)
    torch.set_num_threads(before)
    return Cost(
        form=form,  # type: ignore[arg-type]
        bytes=path.stat().st_size,
        milliseconds=1000 * float(np.median(spent)),
        images=len(images),
        accuracy=float((outputs.argmax(1) == y).mean()),
        largest_difference=float(np.abs(outputs - truth).max()),
        within=float((np.abs(outputs - truth).max(axis=1) <= TOLERANCE).mean()),
        same=float((outputs.argmax(1) == truth.argmax(1)).mean()),
    )


def _check(cost: Cost, tipped: float | None, rounding: float = 0.0) -> None:
    """Raise LeukoFlowError if ONNX Runtime differs by more than rounding.

    tipped: of a spiking network, the share of pictures on which PyTorch's own rounding tips a neuron, whose spike is
    then seen in the logits. Two roundings tip twice as many; three standard deviations are left to chance.
    rounding: of a classifier of features, whose scaling enlarges what rounding leaves of the networks' maps, how far
    PyTorch's logits are from those in 64 bits; ONNX Runtime's may be `ROUNDINGS` times as far from them.
    """
    allowed = 0.0
    if tipped is not None:
        both = min(1.0, 2 * tipped + 1 / cost.images)
        allowed = both + 3 * math.sqrt(both * (1 - both) / cost.images)
    if 1 - cost.within <= allowed or cost.largest_difference <= ROUNDINGS * rounding:
        return
    raise LeukoFlowError(
        f"export: ONNX Runtime's logits differ from PyTorch's by up to {cost.largest_difference:.2g}, and "
        f"on {1 - cost.within:.1%} of the images by more than {TOLERANCE:g}; the network cannot be exported"
    )


class _Parts(nn.Module):
    """White-balanced pictures uint8 [N, S, S, 3] to parts maps uint8 [N, S, S]."""

    def __init__(self, segmenter: nn.Module) -> None:
        super().__init__()
        self.segmenter = segmenter

    def forward(self, images: Tensor) -> Tensor:
        # Above 0 the probability exceeds a half; what is nucleus is also cell.
        cell, nucleus = (self.segmenter(images.permute(0, 3, 1, 2).float() / 255) > 0).unbind(1)
        return torch.where(nucleus, 2, torch.where(cell, 1, 0)).to(torch.uint8)


def write_segmenter(folder: Path, weights: Path, description: Path, size: int) -> None:
    """Write the network that finds white cells as ONNX, for pictures of any sides that are multiples of 16."""
    parts = _Parts(load_segmenter(read_json(description), weights).to("cpu")).eval()
    images = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    write_onnx(folder / FILES["segmenter"], parts, (images,), ["images"], ["parts"], sides=16)


def write_novelty(folder: Path, reference: Path) -> None:
    """Write what the distance to the training images needs, without the images' features."""
    kept = {name: value for name, value in load_file(reference).items() if name in ("means", "axes", "inverse", "rest")}
    save_tensors(folder / FILES["novelty"], {name: torch.from_numpy(value) for name, value in kept.items()})


def write_examples(folder: Path, exported: Exported, images: np.ndarray, y: np.ndarray) -> None:
    """Write pictures uint8 [n, S, S, 3] (n may be 0) of classes int [n] as small JPEGs with their features."""
    features, pictures = [], []
    for image in images:
        with torch.inference_mode():
            vector = exported(torch.from_numpy(image[None]))[1][0].double().numpy()
        features.append(vector / max(float(np.linalg.norm(vector)), 1e-12))
        side = min(THUMBNAIL, len(image))
        small = cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA)
        pictures.append(cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1])
    tensors = {
        "features": np.array(features, np.float32).reshape(len(images), -1)
        if len(images)
        else np.empty((0, 1), np.float32),
        "labels": np.asarray(y, np.int64),
        "offsets": np.cumsum([0, *(len(picture) for picture in pictures)], dtype=np.int64),
        "thumbnails": np.concatenate(pictures) if pictures else np.empty(0, np.uint8),
    }
    save_tensors(folder / FILES["examples"], {name: torch.tensor(value) for name, value in tensors.items()})
