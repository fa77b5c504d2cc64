"""Section `views`: renditions of a cohort, as the networks see them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from leukoflow.config.base import Name, Section

STANDARD = (76.0, 8.0, -22.0), (8.0, 12.5, 13.5)
"""Mean and standard deviation of L, a and b of a usual stain."""


class CohortStain(Section):
    """The stain of another cohort: the mean over all its images that have any foreground, whatever their labels."""

    cohort: Name
    """Cohort whose stain it is; not one that is trained on in the view, which `training` is for."""


class Reinhard(Section):
    """Mean and standard deviation of L, a, b (CIELAB, D65) over the foreground brought to a reference stain."""

    do: Literal["reinhard"] = "reinhard"
    """The operation."""
    target: CohortStain | str = "given"
    """The reference: `given` for `mean` and `sd` below; `training` for the mean of both over the images of the training
    role, fitted in every fold alone; `{cohort: NAME}` for the mean over the images of another cohort; any other text is
    the file of a template image, whose stain it is."""
    mean: tuple[float, float, float] = STANDARD[0]
    """Mean of L (0 to 100), a and b (about -128 to 127)."""
    sd: tuple[float, float, float] = STANDARD[1]
    """Standard deviation of L, a and b."""

    @model_validator(mode="after")
    def _one_reference(self) -> "Reinhard":
        if self.target != "given" and (self.mean, self.sd) != STANDARD:
            raise ValueError("target: other than given, it finds mean and sd; leave both out, or set it to given")
        return self


class ReinhardRgb(Section):
    """Mean and standard deviation of red, green and blue over the whole picture brought to constants, as
    HybridCN-NAS's code does it."""

    do: Literal["reinhard_rgb"] = "reinhard_rgb"
    """The operation."""
    mean: tuple[float, float, float] = (148.60, 160.50, 186.06)
    """Mean of each channel, 0 to 255."""
    sd: tuple[float, float, float] = (26.89, 11.32, 9.32)
    """Standard deviation of each channel."""


class Clahe(Section):
    """Contrast-limited adaptive histogram equalisation of L."""

    do: Literal["clahe"] = "clahe"
    """The operation."""
    clip: float = Field(2.0, gt=0)
    """Clip limit, relative to a flat histogram."""
    tiles: int = Field(8, ge=1, le=64)
    """Tiles along each side."""


class Multiscale(Section):
    """Levels of a Gaussian pyramid blended from the coarsest upwards, as HybridCN-NAS's code does it: this blurs."""

    do: Literal["multiscale"] = "multiscale"
    """The operation."""
    levels: int = Field(3, ge=2, le=6)
    """Levels of the pyramid, the picture itself among them."""
    coarse: float = Field(0.6, ge=0, le=1)
    """Weight of the coarser level in each blend; the finer one has the rest."""


class Enhance(Section):
    """Detail of each level of a Laplacian pyramid multiplied: an enhancement at several scales."""

    do: Literal["enhance"] = "enhance"
    """The operation."""
    levels: int = Field(3, ge=2, le=6)
    """Levels of the pyramid, the picture itself among them."""
    gain: float = Field(1.5, gt=0)
    """Factor of the detail; 1 changes nothing."""


class Denoise(Section):
    """Non-local means on L and on a, b (Buades et al. 2011, doi 10.5201/ipol.2011.bcm_nlm)."""

    do: Literal["denoise"] = "denoise"
    """The operation."""
    strength: float = Field(10.0, gt=0)
    """Strength of the filter, levels of 8 bits."""
    template: int = Field(7, ge=1)
    """Side of the patches that are compared, pixels."""
    search: int = Field(21, ge=1)
    """Side of the window that they are looked for in, pixels."""


class Edge(Section):
    """The Laplacian of the blurred picture added to it."""

    do: Literal["edge"] = "edge"
    """The operation."""
    sigma: float = Field(1.5, gt=0)
    """Standard deviation of the blur (5 x 5 pixels)."""
    amount: float = Field(0.5, ge=0)
    """Weight of the Laplacian, whose negative values count as 0."""


class Grey(Section):
    """Luminance only, in three equal channels."""

    do: Literal["grey"] = "grey"
    """The operation."""


class White(Section):
    """The lamp's colour taken away: each channel scaled so that the empty background is white."""

    do: Literal["white"] = "white"
    """The operation."""


class Cells(Section):
    """White cells by the study's segmenter (section `segmentation`): they alone, the part with them, or everything
    but all cells."""

    do: Literal["cells"] = "cells"
    """The operation."""
    show: Literal["masked", "background", "cropped"] = "masked"
    """`masked` white cells on a white ground; `background` every cell filled with the background near it; `cropped` the
    smallest square with all white cells, enlarged to the whole picture, which a picture without cells stays."""
    margin: float = Field(0.1, ge=0, le=1)
    """Of `cropped`: what is added on each side, as a share of the square."""


class Mask(Section):
    """What a classical method takes for cells, on a flat ground."""

    ground: int = Field(0, ge=0, le=255)
    """Grey level of the rest: the same for every picture, as it must tell nothing."""
    least: float = Field(0.003, ge=0, lt=1)
    """Smallest part that is kept, as a share of the picture (150 pixels of 224 x 224)."""


class Hsv(Mask):
    """Pixels by hue, saturation and value: opened, holes filled, small parts dropped."""

    do: Literal["hsv"] = "hsv"
    """The operation."""
    hue: tuple[int, int] = (110, 170)
    """Lowest and highest hue, 0 to 179 (2 degrees each)."""
    saturation: tuple[int, int] = (50, 255)
    """Lowest and highest saturation, 0 to 255."""
    value: tuple[int, int] = (40, 255)
    """Lowest and highest value, 0 to 255."""


class Kmeans(Mask):
    """Nuclei: the cluster of a and b (CIELAB) with the least L, cut by Otsu's threshold on L, opened, holes filled."""

    do: Literal["kmeans"] = "kmeans"
    """The operation."""
    clusters: int = Field(3, ge=2, le=8)
    """Number of clusters."""


class Otsu(Mask):
    """Dark pixels by Otsu's threshold, opened, and the watershed from their cores: HybridCN-NAS's masks as coded."""

    do: Literal["otsu"] = "otsu"
    """The operation."""
    least: float = Field(0.0, ge=0, lt=1)
    """Smallest part that is kept, as a share of the picture."""


class Adaptive(Mask):
    """Pixels darker than their surroundings, opened, widened, and the watershed from their cores: HybridCN-NAS's
    background removal as coded."""

    do: Literal["adaptive"] = "adaptive"
    """The operation."""
    least: float = Field(0.0, ge=0, lt=1)
    """Smallest part that is kept, as a share of the picture."""
    block: int = Field(11, ge=3)
    """Side of the surroundings, pixels; odd."""
    offset: float = 2.0
    """How much darker, levels of 8 bits."""


Operation = Annotated[
    Reinhard
    | ReinhardRgb
    | Clahe
    | Multiscale
    | Enhance
    | Denoise
    | Edge
    | Grey
    | White
    | Cells
    | Hsv
    | Kmeans
    | Otsu
    | Adaptive,
    Field(discriminator="do"),
]
PRESETS: dict[str, tuple[Any, ...]] = {
    "hmscam": ("hsv",),
    "vgg19_mhsa": ("clahe", "kmeans"),
    "hybridcn_nas": ({"reinhard": {"target": "training"}}, "clahe", "enhance", "cells"),
    "hybridcn_nas_as_coded": ("reinhard_rgb", "multiscale", "adaptive", "edge", "clahe", "denoise", "otsu"),
    "neurallnet_clahe": ("clahe",),
}
"""Chains of the papers by name."""


def _written_out(operations: Any) -> Any:
    """Operations as sections: `clahe` and `clahe: {clip: 3}` become `{do: clahe, ...}`; a name is a preset."""
    if isinstance(operations, str):
        if operations not in PRESETS:
            raise ValueError(f"there is no preset {operations!r}; known: {', '.join(PRESETS)}")
        operations = PRESETS[operations]
    if not isinstance(operations, (list, tuple)):
        return operations
    return tuple(_one(step) for step in operations)


def _one(step: Any) -> Any:
    if isinstance(step, str):
        return {"do": step}
    if isinstance(step, dict) and "do" not in step and len(step) == 1:
        ((name, keys),) = step.items()
        if keys is None or isinstance(keys, dict):
            return {"do": name, **(keys or {})}
    return step


Chain = Annotated[
    tuple[Operation, ...], BeforeValidator(_written_out, json_schema_input_type=str | list[str | dict[str, Any]])
]
"""Operations in their order."""


class View(Section):
    """One rendition: the picture brought to a square, then a chain of operations, each on what the one before made."""

    kind: Literal["plain", "normalised", "grey", "background", "masked", "cells", "centred", "chain"]
    """`plain` as it is; `normalised` by Reinhard, then CLAHE; `grey` luminance only; `background` everything but
    cells; `masked` white cells only; `cells` one picture for each white cell, all at the same scale; `centred`, for
    images of one cell in their middle, the part about the middle at the same scale, without any segmentation; `chain`
    what `steps` say."""
    size: int = Field(224, ge=16, le=2048)
    """Side of the square rendition, pixels."""
    steps: Chain = ()
    """Of `chain`, `centred` and `cells`: operations in their order, each a name or a name with its keys (`[reinhard,
    clahe: {clip: 3}]`), or the name of a paper's chain."""
    fit: Literal["letterbox", "squeeze"] = "letterbox"
    """How a picture that is not square becomes one: padded with its background, or squeezed."""
    bar: Literal["removed", "kept"] = "removed"
    """Burnt-in scale bars: painted out, or left."""
    um_per_pixel: float = Field(0.25, gt=0)
    """Scale of `cells` and `centred`, micrometres a pixel: `size` times as much is seen."""
    reinhard: Reinhard = Reinhard()
    """Reference stain of `normalised`."""
    clahe: Clahe = Clahe()
    """Contrast equalisation of `normalised`."""

    @model_validator(mode="after")
    def _steps_are_of_chains(self) -> "View":
        if self.kind == "chain" and not self.steps:
            raise ValueError("a view of kind chain needs steps")
        if self.steps and self.kind not in ("chain", "centred", "cells"):
            raise ValueError("steps are of kinds chain, centred and cells; remove them or change kind")
        if self.kind in ("centred", "cells") and any(isinstance(step, Cells) for step in self.steps):
            raise ValueError(f"steps of kind {self.kind} cannot use cells, which are found in the letterboxed picture")
        if self.kind in ("centred", "cells") and self.target == "training":
            raise ValueError(f"steps of kind {self.kind} cannot have a stain of the training images; use kind chain")
        if self.fit == "squeeze" and self.kind == "centred":
            raise ValueError("fit: squeeze does not go with kind centred, which keeps shapes")
        if self.fit == "squeeze" and self.needs_cells:
            raise ValueError("fit: squeeze does not go with cells, which are found in the letterboxed picture")
        if any(isinstance(step, Reinhard) and step.target != "given" for step in self.chain[1:]):
            raise ValueError("reinhard with a target comes first: the target is the stain of pictures as they are")
        return self

    @property
    def chain(self) -> tuple[Operation, ...]:
        """The operations of any kind, in their order."""
        match self.kind:
            case "normalised":
                return self.reinhard, self.clahe
            case "grey":
                return (Grey(),)
            case "background":
                return (Cells(show="background"),)
            case "masked":
                return (Cells(),)
        return self.steps

    @property
    def needs_cells(self) -> bool:
        """Whether it is made with label maps of the picture's cells."""
        return self.kind == "cells" or any(isinstance(step, Cells) for step in self.chain)

    @property
    def target(self) -> CohortStain | str:
        """What the stain is brought to: `given`, `training`, a cohort's, or that of a template image's file."""
        first = self.chain[:1]
        return first[0].target if first and isinstance(first[0], Reinhard) else "given"

    def brought_to(self, mean: Sequence[float], sd: Sequence[float]) -> "View":
        """The view with the stain that was found for its target."""
        reinhard = Reinhard(mean=tuple(mean), sd=tuple(sd))
        if self.kind == "normalised":
            return self.model_copy(update={"reinhard": reinhard})
        return self.model_copy(update={"steps": (reinhard, *self.steps[1:])})

    @property
    def whole(self) -> bool:
        """Whether it is made of nothing but the picture."""
        return not self.needs_cells
