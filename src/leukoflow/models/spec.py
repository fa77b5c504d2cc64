"""What is known of an architecture before it is built."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal


@dataclass(frozen=True)
class ModelSpec:
    """Facts of an architecture.

    Every built model maps images float32 [B, 3, H, W] in [0, 1] (RGB) to logits float32 [B, K]; scaling to what a
    backbone expects happens inside. If there is a backbone, the method `maps` gives what it makes of images: float32
    [B, C, h, w], or [B, C] where it pools. One that reads features maps float32 [B, k] instead; `build` takes k as
    `inputs`, and as `features` how many are wanted.

    Attributes:
        name: registered name, and the name of its file.
        title: name for people.
        source: paper and DOI, or where it comes from.
        fitting: `gradient` (trained by epochs) or `direct` (has `fit(images, y, seed)`, called once; one that reads
            features has `fit(features, y, seed, validation)`).
        reads: `images`, or `features`, scaled and ranked before.
        sizes: options of each size; `paper` is the published one.
        input_size: side in pixels (or number of features) that `paper` was published with.
        parameters: trainable parameters of `paper` with four classes.
        backbone: prefixes of the parameters that count as backbone, the trunk: they may have a learning rate of their
            own, start from weights of a file, and be taught without labels.
        partner: prefixes of the parameters of a second trunk, which an option adds; it has weights of its own.
        frozen: prefixes of the parameters that the paper leaves as they were pretrained.
        target: attribute path of the layer whose maps Grad-CAM weighs, such as `trunk.layer4`; what it puts out is
            [B, C, h, w] (a spiking network's time steps along the first axis) or tokens [B, T, D]. Of trunks side by
            side, such a layer of each.
        attends: attribute path of what attends to positions: a block of attention among tokens or a sequence of such
            blocks, an `nn.Sigmoid` that puts out a gate [B, 1, h, w], or `PositionAttention` for each trunk. Where it
            is None in a network built without it, there is none.
        attends_features: whether a model can attend to single features, as its options say; `explain.ranked` knows how.
        modules: attribute path of a row of modules of attention that can be compared, each with a method `weights`.
            What they make of the maps passes an `nn.Identity` named `fused`.
    """

    name: str
    title: str
    source: str
    fitting: Literal["gradient", "direct"] = "gradient"
    reads: Literal["images", "features"] = "images"
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: MappingProxyType({"paper": {}}))
    input_size: int = 224
    parameters: int = 0
    backbone: tuple[str, ...] = ()
    partner: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()
    target: str | tuple[str, ...] = ""
    attends: str = ""
    attends_features: bool = False
    modules: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """The layers of `target`; none, one, or one of each trunk."""
        return tuple(filter(None, (self.target,))) if isinstance(self.target, str) else self.target

    def __deepcopy__(self, memo: dict) -> "ModelSpec":
        """Nothing in it changes: copies of a model share it."""
        return self
