"""Backbones from timm, importable also where torchvision's compiled operators do not fit the installed torch."""

import importlib
import sys
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_SD = (0.229, 0.224, 0.225)


def trunk(name: str, **options: Any) -> nn.Module:
    """A timm model without pooling and head, random weights: images [B, 3, H, W] to maps [B, C, h, w]."""
    model: nn.Module = _timm().create_model(name, pretrained=False, num_classes=0, global_pool="", **options)
    return model


class Standardise(nn.Module):
    """(x - mean) / sd for each channel, ImageNet's by default; no parameters, nothing in the state."""

    mean: Tensor
    sd: Tensor

    def __init__(self, mean: tuple[float, ...] = IMAGENET_MEAN, sd: tuple[float, ...] = IMAGENET_SD) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("sd", torch.tensor(sd)[:, None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] in [0, 1] to the same shape."""
        return (x - self.mean) / self.sd


# Keeps the operator schemas of _declare_operators alive.
_library: "torch.library.Library | None" = None


def _timm() -> ModuleType:
    """timm, after making sure that torchvision imports.

    A torchvision built for CUDA does not load its compiled operators beside a CPU-only torch, and then fails to
    import because two schemas are missing. Declaring them is enough for everything but the operators themselves.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [each for each in sys.modules if each.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_operators()
        importlib.import_module("torchvision")
    return importlib.import_module("timm")


def _declare_operators() -> None:
    global _library
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
