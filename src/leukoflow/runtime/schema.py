"""`export.json`: all that an exported model needs besides its numbers."""

from typing import Literal

from pydantic import Field

from leukoflow.config.base import Section, Sha256
from leukoflow.config.views import Chain, View

VERSION = 2
"""Of the format."""
Role = Literal["model", "int8", "heat", "segmenter", "weights", "novelty", "examples"]
FILES: dict[Role, str] = {
    "model": "model.onnx",
    "int8": "model_int8.onnx",
    "heat": "heat.onnx",
    "segmenter": "segmenter.onnx",
    "weights": "weights.safetensors",
    "novelty": "novelty.safetensors",
    "examples": "examples.safetensors",
}
"""Names of the files next to it."""


class File(Section):
    """A file of the artefact."""

    sha256: Sha256
    """Digest of its bytes."""
    bytes: int = Field(ge=0)
    """Its size."""


class Range(Section):
    """Values that are accepted, both limits included."""

    low: float
    """Lowest."""
    high: float
    """Highest."""
    words: str
    """What is measured, in plain words."""


class Conformal(Section):
    """Prediction sets: a class is in the set where 1 - its calibrated probability is at most the threshold."""

    coverage: float = Field(gt=0, lt=1)
    """Share of sets that hold the truth."""
    threshold: float | None
    """None if there were too few images or groups: every class is in every set."""
    images: int
    """Validation images, or groups left out, that it was derived from."""
    needed: int
    """Fewest with which a class can be left out."""


class Confidence(Section):
    """Answer where the largest calibrated probability is at least the threshold."""

    accuracy: float = Field(gt=0, lt=1)
    """Accuracy above the threshold on the images that it was derived from."""
    threshold: float | None
    """None if that accuracy was not reached by any threshold: then nothing is held back for want of confidence."""


class Novelty(Section):
    """Refuse where the distance to the nearest class of training images (Mahalanobis) is above the threshold."""

    threshold: float | None
    """None if there were too few validation images: nothing is refused."""
    accepted: float = Field(gt=0, lt=1)
    """Share of the validation images that it accepts."""


class Rule(Section):
    """How a region is divided; see `cells.threshold.Rule`."""

    method: str
    """Name of the method."""
    channel: str = ""
    """Channel looked at."""
    factor: float = 1.0
    """On Otsu's threshold."""
    clusters: int = 0
    """Of k-means."""


class CohortScale(Section):
    """The scale of the training files, which a picture gets that does not show its own; see `quality.scale.Usual`."""

    um: float = Field(gt=0)
    """Micrometres to a pixel, or to the longer side."""
    of_side: bool
    """Whether to the longer side."""
    given: bool = False
    """Whether the config gave it: then no picture's own counts."""


class Segmenter(Section):
    """How white cells are found."""

    method: Literal["unet", "threshold"]
    """By the exported network, or by thresholds."""
    size: int = Field(ge=32, le=2048)
    """Side of the rendition in which they are looked for, pixels."""
    cell_um: tuple[float, float]
    """Least and largest diameter, micrometres."""
    cell_rule: Rule
    """Of `threshold`: cells in the image."""
    nucleus_rule: Rule
    """Of `threshold`: nuclei in the cells."""
    steps: Chain = ()
    """Operations on the picture before they are looked for in it."""


class Reader(Section):
    """How a model of single cells reads a field: every white cell is found, shown to it and counted."""

    um_per_pixel: float = Field(gt=0)
    """Scale at which white cells are looked for."""
    uncounted: tuple[str, ...] = ()
    """Classes that are no white cells."""
    confusion: tuple[tuple[int, ...], ...]
    """Cells of each true class (rows) by the class named (columns), of the images that it was calibrated on."""


class MapKind(Section):
    """A map over the picture that the model explains itself by."""

    name: str
    """Its method, as `explain.heat` calls it."""
    title: str
    """What it is, for people."""
    text: str
    """What it shows and how it is made, in sentences."""


class Result(Section):
    """A figure of the model on a test role or another cohort."""

    target: str
    """Cohort."""
    role: str
    """`test` or `external`."""
    metric: str
    """Such as `accuracy`."""
    value: float
    """The figure."""
    low: float | None
    """Lower limit of its interval over groups; None if there is none."""
    high: float | None
    """Upper limit."""
    images: int
    """Images that it was measured on."""
    groups: int
    """Groups (patients, clusters, duplicates) among them."""


class Cost(Section):
    """What a form of the model costs and how well it does on held-out images."""

    form: Literal["torch", "exact", "onnx", "int8"]
    """PyTorch, PyTorch in 64 bits (of networks whose rounding is seen in the logits), ONNX Runtime, or ONNX
    Runtime with 8-bit integers."""
    bytes: int
    """Size of its file."""
    milliseconds: float
    """Median time of one image on one thread, the network alone."""
    images: int
    """Held-out images that it was run over."""
    accuracy: float
    """Share of them that it names rightly."""
    largest_difference: float
    """Largest difference of a logit from PyTorch's."""
    within: float
    """Share of the images whose logits all differ by at most 1e-4."""
    same: float
    """Share of the images for which it names the same class as PyTorch."""


class Export(Section):
    """Facts of an exported model."""

    version: int = VERSION
    """Of the format."""
    leukoflow: str
    """Version of the program that wrote it."""
    name: str
    """The model's name in the study."""
    title: str
    """For people."""
    source: str
    """Paper and DOI, or where the architecture comes from."""
    study: str
    """The study."""
    cohort: str
    """Trained on."""
    task: str
    """What it tells."""
    protocol: str
    """Split protocol of its run."""
    run: str
    """Folder name of its run."""
    classes: tuple[str, ...] = Field(min_length=2)
    """In the order of the outputs."""
    train_images: int
    """Images that it was trained on."""
    parameters: int
    """Trainable parameters."""
    view: View
    """Rendition that it reads."""
    aspect: float | None = Field(None, gt=0)
    """Width over height of the fields where the training files were squeezed into squares: square pictures are
    stretched to it."""
    bits: int | None = Field(None, ge=8, le=16)
    """Bits that the camera of the training files filled in samples of 16; none: as a file states, or all."""
    scale: CohortScale | None = None
    """Scale of the training files; none if no image showed one."""
    max_pixels: int = Field(gt=0)
    """Larger images are refused before they are decoded."""
    files: dict[Role, File]
    """Files next to it, by what they are."""
    temperature: float = Field(gt=0)
    """Logits are divided by it before the softmax (Guo et al. 2017, arXiv 1706.04599)."""
    calibrated_on: int
    """Images that the temperature and the thresholds come from."""
    calibration_groups: int = Field(0, ge=0)
    """Groups that these images are of if no network saw them; 0 if they are validation images."""
    calibration_cohort: str = ""
    """Another cohort that they are of; empty if they are of the training cohort."""
    calibration_note: str = ""
    """What a reader must know of the fit."""
    conformal: Conformal
    """Prediction sets."""
    confidence: Confidence
    """Least certainty."""
    quality: dict[str, Range]
    """The gate on image quality: accepted values of each measure."""
    novelty: Novelty
    """Images of another kind."""
    maps: tuple[MapKind, ...]
    """Maps over the picture, Grad-CAM (Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74) first: it is made by the
    exported gradient, of two trunks for each and for both; the others by the network itself, whichever the class."""
    ranked: tuple[str, ...] = ()
    """Names of the ranked features that its classifier reads, the best first; none of other networks."""
    attention: str = ""
    """What the weights of its attention to ranked features are, in sentences; empty if it attends to none."""
    inside: dict[str, str] = {}
    """Numbers of what goes on in the network while it answers (channel gates, firing rates), and what they are."""
    reader: Reader | None = None
    """None of models of whole pictures."""
    segmenter: Segmenter
    """White cells."""
    costs: tuple[Cost, ...]
    """Torch, ONNX and INT8 next to each other."""
    results: tuple[Result, ...]
    """Figures with intervals."""
    findings: tuple[str, ...]
    """What the audits found, plain sentences, the gravest first."""
    licences: tuple[str, ...]
    """Licences of the data and of pretrained weights, one line each."""
    examples: int
    """Training images for nearest neighbours; 0 if pictures may not be shared."""

    @property
    def measures(self) -> dict[str, str]:
        """Measures of quality and what they say in plain words."""
        return {name: measure.words for name, measure in self.quality.items()}
