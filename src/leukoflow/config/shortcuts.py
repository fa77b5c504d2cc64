"""Section `evaluation.shortcuts`: the audit of what gives a class away besides the cells."""

from pydantic import Field

from leukoflow.config.base import Section


class Shortcuts(Section):
    """How the shortcut audit is made. What changes images is done where the check `robustness` is asked for."""

    images: int = Field(20_000, ge=50)
    """Most images that the probes learn from, and most that they are tested on; more are sampled."""
    trees: int = Field(100, ge=10, le=1000)
    """Trees of each probe's random forest."""
    stain_images: int = Field(64, ge=1)
    """Most training images of each class and acquisition cluster whose mean stain test images are recoloured to."""
    stain_clusters: int = Field(8, ge=0)
    """Acquisition clusters, drawn at random and evenly over the classes, to whose stain test images are recoloured
    besides that of each class."""
