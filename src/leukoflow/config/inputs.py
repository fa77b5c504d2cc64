"""How pictures are scaled for a network; key `input_scaling` of entries that name weights."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from leukoflow.config.base import Section
from leukoflow.config.errors import NAMED

Positive = Annotated[float, Field(gt=0)]


class InputScaling(Section):
    """Mean and standard deviation by which a network's input is standardised: (x - mean) / sd, x in [0, 1]."""

    mean: tuple[float, float, float]
    """Mean of each channel, in the order of `channels`."""
    sd: tuple[Positive, Positive, Positive]
    """Standard deviation of each channel, above 0, in the same order."""
    channels: Literal["rgb", "bgr"] = "rgb"
    """Order in which the network reads the channels."""


IMAGENET = InputScaling(mean=(0.485, 0.456, 0.406), sd=(0.229, 0.224, 0.225))
"""Mean and standard deviation of ImageNet's pixels; also what networks of random weights get."""
_LEVEL = 1 / 255
PRESETS = {
    "imagenet": IMAGENET,
    "unit": InputScaling(mean=(0, 0, 0), sd=(1, 1, 1)),
    "symmetric": InputScaling(mean=(0.5, 0.5, 0.5), sd=(0.5, 0.5, 0.5)),
    "bytes": InputScaling(mean=(0, 0, 0), sd=(_LEVEL, _LEVEL, _LEVEL)),
    "caffe": InputScaling(
        mean=(103.939 / 255, 116.779 / 255, 123.68 / 255), sd=(_LEVEL, _LEVEL, _LEVEL), channels="bgr"
    ),
}
"""Scalings by name."""
_TWICE = InputScaling(
    mean=tuple(255 * value for value in IMAGENET.mean),  # type: ignore[arg-type]
    sd=tuple(255 * value for value in IMAGENET.sd),  # type: ignore[arg-type]
)
"""[0, 1] given to a network that divides by 255 itself and then standardises."""
_KERAS = {
    PRESETS["caffe"]: ("resnet50", "resnet101", "vgg19"),
    PRESETS["symmetric"]: ("inception_v3", "nasnetalarge"),
    IMAGENET: ("densenet121", "efficientnet_b0", "efficientnet_b3", "convnext_tiny", "convnext_large"),
}
_RESCALE = ("efficientnet", "convnext")
"""Families that Keras gives 0 to 255, and that rescale and standardise it inside."""
BY_NETWORK: dict[str, dict[str, InputScaling]] = {
    "keras": {name: scaling for scaling, names in _KERAS.items() for name in names},
    "keras_unit": {
        name: _TWICE if name.startswith(_RESCALE) else PRESETS["unit"] for names in _KERAS.values() for name in names
    },
}
"""Scalings by name and network (timm's name): what the first convolution of Keras's network gets of a picture that its
own `preprocess_input` has prepared, and of one in [0, 1]."""
Preset = Literal["weights", "imagenet", "unit", "symmetric", "bytes", "caffe", "keras", "keras_unit"]
Asked = Annotated[
    Annotated[Preset, Tag(NAMED)] | Annotated[InputScaling, Tag("InputScaling")],
    Discriminator(lambda value: "InputScaling" if isinstance(value, (dict, InputScaling)) else NAMED),
]
"""Key `input_scaling`: a name, or a mean and standard deviation."""
OF_WEIGHTS: Literal["weights"] = "weights"
"""The scaling that the weights were trained with."""
