"""Backbones from timm, importable also if torchvision's compiled operators do not fit the installed torch."""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from leukoflow.config.inputs import IMAGENET, InputScaling


def trunk(name: str, **options: Any) -> nn.Module:
    """A timm model without pooling and head, random weights: images [B, 3, H, W] to maps [B, C, h, w]."""
    model: nn.Module = timm().create_model(name, pretrained=False, num_classes=0, global_pool="", **options)
    return model


def feature_network(name: str, size: int | None = None) -> nn.Module:
    """A timm model up to its last feature map, random weights; layers behind that map are identities.

    size: side in pixels that a vision transformer has positions for. Raises RuntimeError for a name that timm does not
    have.
    """
    options: dict[str, Any] = {}
    if name.startswith("vit_"):
        options = {"dynamic_img_size": True} | ({"img_size": size} if size else {})
    model = trunk(name, **options)
    # EfficientNet's last convolution makes its last map; MobileNet has one of that name behind the pooling.
    for layer in ("head", "norm_head", *(() if hasattr(model, "bn2") else ("conv_head",))):
        if hasattr(model, layer):
            setattr(model, layer, nn.Identity())
    return model


def resized(images: Tensor, size: int | None) -> Tensor:
    """Images [B, C, H, W] as squares of this side; as they are without one."""
    if size is None or tuple(images.shape[2:]) == (size, size):
        return images
    shrunk = size < min(images.shape[2:])
    return interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=shrunk)


def as_maps(network: nn.Module, features: Tensor, images: Tensor) -> Tensor:
    """Feature maps [B, C, h, w] of what a network made of images: as they are, or of the tokens [B, P + h * w, C] of a
    vision transformer, without the P that stand for no patch."""
    if features.ndim != 3 or not hasattr(network, "patch_embed"):
        return features
    height, width = network.patch_embed.patch_size  # type: ignore[union-attr, misc]
    grid = images.shape[2] // height, images.shape[3] // width
    return features[:, network.num_prefix_tokens :].transpose(1, 2).unflatten(2, grid)  # type: ignore[misc]


def slim(build: Callable[[], nn.Module], share: float) -> nn.Module:
    """What `build` makes, with this share of its channels: same layers, random weights.

    Every width between the image and the outputs is multiplied; where maps are put side by side the share must divide
    their widths, or the layers will not fit. For networks of convolutions, batch norms and linear layers.
    """
    if share == 1:
        return build()
    with torch.device("meta"):  # the widths published are not to be filled first
        model = build()
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.in_channels, layer.out_channels, layer.groups = (
                width if width in (1, 3) else _share(width, share)
                for width in (layer.in_channels, layer.out_channels, layer.groups)
            )
            shape = (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel_size)
            layer.weight = nn.Parameter(torch.empty(shape))
            layer.bias = None if layer.bias is None else nn.Parameter(torch.zeros(layer.out_channels))
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(layer, nn.BatchNorm2d):
            layer.num_features = _share(layer.num_features, share)
            layer.weight, layer.bias = (nn.Parameter(torch.empty(layer.num_features)) for _ in range(2))
            layer.running_mean, layer.running_var = (torch.empty(layer.num_features) for _ in range(2))
            layer.num_batches_tracked = torch.tensor(0)
            layer.reset_parameters()
        elif isinstance(layer, nn.Linear):
            layer.in_features, layer.out_features = (
                _share(width, share) for width in (layer.in_features, layer.out_features)
            )
            layer.weight = nn.Parameter(torch.empty(layer.out_features, layer.in_features))
            layer.bias = None if layer.bias is None else nn.Parameter(torch.empty(layer.out_features))
            layer.reset_parameters()
    return model


def _share(width: int, share: float) -> int:
    return max(1, round(width * share))


def enlarged(images: Tensor, least_side: int) -> Tensor:
    """Images [B, C, H, W] with a shorter side of at least this many pixels; as they are where it is longer."""
    side = min(images.shape[2:])
    if side >= least_side:
        return images
    size = [round(length * least_side / side) for length in images.shape[2:]]
    return interpolate(images, size=size, mode="bilinear", align_corners=False)


class Standardise(nn.Module):
    """(x - mean) / sd for each channel, for one part of a model; no parameters, nothing in the state.

    network: timm's name of the network whose weights the part may start from (`torchvision:NAME` for torchvision's).
    part: `trunk` or `partner`. The scaling is ImageNet's until `set` changes it.
    """

    mean: Tensor
    sd: Tensor

    def __init__(self, network: str, part: str = "trunk") -> None:
        super().__init__()
        self.network = network
        self.part = part
        self.blue_first = False
        self.register_buffer("mean", torch.empty(3, 1, 1), persistent=False)
        self.register_buffer("sd", torch.empty(3, 1, 1), persistent=False)
        self.set(IMAGENET)

    def set(self, scaling: InputScaling) -> "Standardise":
        """Scale by this from now on."""
        self.mean = torch.tensor(scaling.mean, device=self.mean.device)[:, None, None]
        self.sd = torch.tensor(scaling.sd, device=self.sd.device)[:, None, None]
        self.blue_first = scaling.channels == "bgr"
        return self

    def forward(self, x: Tensor) -> Tensor:
        """RGB [B, 3, H, W] in [0, 1] to the same shape."""
        return ((x.flip(1) if self.blue_first else x) - self.mean) / self.sd


# Keeps the operator schemas of _declare_operators alive.
_library: "torch.library.Library | None" = None


def timm() -> ModuleType:
    """timm, after making sure that torchvision imports."""
    torchvision()
    return importlib.import_module("timm")


def torchvision() -> ModuleType:
    """torchvision, importable with any torch.

    A torchvision built for CUDA does not load its compiled operators with a CPU-only torch, and then fails to
    import because two schemas are missing. Declaring them is enough for everything but the operators themselves.
    """
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        for name in [module for module in sys.modules if module.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        _declare_operators()
        return importlib.import_module("torchvision")


def _declare_operators() -> None:
    global _library
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
