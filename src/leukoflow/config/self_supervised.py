"""How a network's trunk is taught by images without labels; key `self_supervised` of entries of section `models`."""

from typing import Literal

from pydantic import Field

from leukoflow.config.base import Section
from leukoflow.config.training import Augmentation, Stain

SMEARS = Augmentation(
    rotation=180,
    scale=(0.3, 1.0),
    flip_horizontal=True,
    flip_vertical=True,
    brightness=0.3,
    contrast=0.3,
    stain=Stain(share=0.5, jitter=0.2, density=0.05, grey=0.2),
)
"""Changes under which a smear stays the same to a haematologist."""


class SelfSupervised(Section):
    """Self-supervised pretraining of the trunk on the images of the run's training role, labels unused."""

    method: Literal["simsiam"] = "simsiam"
    """`simsiam`: two changed copies of an image are to have the same representation (Chen and He 2021)."""
    epochs: int = Field(100, ge=1)
    """Epochs."""
    batch_size: int = Field(32, ge=2)
    """Images in a batch."""
    optimiser: Literal["adamw", "sgd"] = "sgd"
    """Optimiser (`sgd` with momentum 0.9)."""
    learning_rate: float = Field(0.1, gt=0)
    """Learning rate at the first epoch; it falls to zero as a cosine, that of the predictor stays."""
    weight_decay: float = Field(0.0005, ge=0)
    """Weight decay."""
    projection: int = Field(256, ge=8)
    """Width of the projector and of its outputs; the predictor's hidden layer has a quarter of it."""
    augmentation: Augmentation = SMEARS
    """Random changes of both copies. A section given here starts from no change, not from this default."""
