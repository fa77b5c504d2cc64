"""The networks that the papers compare with, as timm and torchvision have them."""

from types import MappingProxyType
from typing import Any

from torch import Tensor, nn

from leukoflow.models.layers.backbones import Standardise, enlarged, slim, timm, torchvision
from leukoflow.models.spec import ModelSpec


def _spec(
    name: str, title: str, source: str, parameters: int, network: str, target: str, attends: str = "", **small: Any
) -> ModelSpec:
    sizes = {"paper": {"network": network}, "small": {"network": network, **(small or {"width": 0.125})}}
    return ModelSpec(
        name=name,
        title=title,
        source=source,
        sizes=MappingProxyType(sizes),
        input_size=224,
        parameters=parameters,
        backbone=("network.",),
        target=f"network.{target}",
        attends=attends,
    )


SPECS = (
    _spec("alexnet", "AlexNet", "Krizhevsky 2014, arXiv 1404.5997", 57_020_228, "torchvision:alexnet", "features.11"),
    _spec("resnet50", "ResNet50", "He et al. 2016, arXiv 1512.03385", 23_516_228, "resnet50", "layer4"),
    _spec("resnet101", "ResNet101", "He et al. 2016, arXiv 1512.03385", 42_508_356, "resnet101", "layer4"),
    _spec("vgg19", "VGG19", "Simonyan and Zisserman 2015, arXiv 1409.1556", 139_586_628, "vgg19", "features.35"),
    _spec(
        "vit_b16", "ViT-B/16", "Dosovitskiy et al. 2021, arXiv 2010.11929", 85_801_732, "vit_base_patch16_224",
        "blocks.11.norm1", "network.blocks", embed_dim=48, patch_size=8,
    ),
    _spec(
        "mobilenetv4_small", "MobileNetV4-small", "Qin et al. 2024, arXiv 2404.10518", 2_498_148,
        "mobilenetv4_conv_small", "blocks", width=0.25,
    ),
    _spec(
        "efficientnet_b0", "EfficientNet-B0", "Tan and Le 2019, arXiv 1905.11946", 4_012_672, "efficientnet_b0",
        "bn2", width=0.25,
    ),
    _spec(
        "efficientnet_lite0", "EfficientNet-Lite0", "Tan and Le 2019, arXiv 1905.11946; as TensorFlow's models have it",
        3_376_132, "tf_efficientnet_lite0", "bn2", width=0.25,
    ),
    _spec(
        "densenet121", "DenseNet121", "Huang et al. 2017, arXiv 1608.06993", 6_957_956, "densenet121", "features",
        width=0.25,
    ),
)  # fmt: skip
ALEXNET = 4096
"""Features before AlexNet's last layer."""
LEAST_SIDE = {"torchvision:alexnet": 64}
"""Pixels below which a network has nothing left to look at; smaller images are enlarged to it."""


def build(num_classes: int, network: str, width: float = 1.0, **options: Any) -> "Baseline":
    """Build the network; `width` scales its channels, `options` are the library's own."""
    source, _, name = network.rpartition(":")
    if name.startswith("vit"):
        options["dynamic_img_size"] = True

    def whole() -> Any:
        if source == "torchvision":
            layers = getattr(torchvision().models, name)()
            layers.classifier[-1] = nn.Identity()
            return layers
        return timm().create_model(name, pretrained=False, num_classes=0, **options)

    layers: Any = slim(whole, width)
    channels = ALEXNET if source else getattr(layers, "head_hidden_size", None) or layers.num_features
    return Baseline(num_classes, network, layers, round(channels * width), LEAST_SIDE.get(network, 32))


class Baseline(nn.Module):
    """A network up to its pooled features, and a linear head. Input float32 [B, 3, H, W] in [0, 1], output [B, K]."""

    def __init__(self, num_classes: int, name: str, network: nn.Module, channels: int, least_side: int) -> None:
        super().__init__()
        self.standardise = Standardise(name)
        self.network = network
        self.head = nn.Linear(channels, num_classes)
        self.least_side = least_side

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        return self.head(self.maps(x))

    def maps(self, x: Tensor) -> Tensor:
        """The network's features, pooled already."""
        return self.network(self.standardise(enlarged(x, self.least_side)))
