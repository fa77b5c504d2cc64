"""Section `export`: models written as folders that `leukoflow predict` and `leukoflow serve` answer with."""

from typing import Literal

from pydantic import Field

from leukoflow.config.base import Name, Section


class Export(Section):
    """Which models are exported: each from its run under the strictest protocol, first fold and seed."""

    models: tuple[Name, ...] | None = None
    """Networks that read pictures, or features of networks (HybridCN-NAS), by their names in the experiments
    (`resnet50_modern` if a recipe trains `resnet50`); without this key the first of each experiment. An empty list
    exports none."""
    calibration: int = Field(128, ge=8, le=10_000)
    """Training images, drawn by the seed, whose ranges the 8-bit network is set by."""
    compared: int = Field(200, ge=8, le=100_000)
    """Most test images that the exported network is held against PyTorch's on."""
    pictures: Literal["synthetic", "all", "none"] = "synthetic"
    """Whose training images go into the folder as small pictures, to be shown as nearest neighbours: of `synthetic`
    cohorts alone, of `all`, or of `none`. Images of patients must not leave a laboratory unasked."""
    examples: int = Field(200, ge=1, le=5000)
    """Most training images that go in."""
    accuracy: float = Field(0.95, gt=0.5, lt=1)
    """Accuracy on validation images for which the least probability is derived, below which an answer is held back."""
    coverage: float = Field(0.9, gt=0.5, lt=1)
    """Share of prediction sets that hold the truth."""
    calibration_cohort: Name | None = None
    """Another cohort that exported models are calibrated on: temperature, prediction sets, least confidence, novelty.
    Its labels are used, so its figures are no longer a test. Without this key: images that the split holds out."""
    cells_um_per_pixel: float = Field(0.3, gt=0)
    """Scale at which models of single cells (view kind `centred`) look for white cells in a field, micrometres a
    pixel."""
    uncounted: tuple[str, ...] = ()
    """Classes that are no white cells, such as platelets: a differential count leaves them out."""
    seed: int = Field(42, ge=0)
    """Seed of the images drawn."""
