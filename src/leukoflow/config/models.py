"""Section `models`: architectures and how each is trained."""

from pydantic import Field

from leukoflow.config.base import Name, Section
from leukoflow.config.training import Training


class Model(Section):
    """An architecture with its size, options and training recipe."""

    architecture: Name
    """Registered name; a file of that name in `leukoflow/models` defines it."""
    size: str = "paper"
    """`paper` for the published size, or a smaller one that the architecture names."""
    options: dict[str, bool | int | float | str | list[str] | list[int]] = {}
    """Options of the architecture, such as its ablations."""
    features: Name | None = None
    """Entry of section `features` that the model reads in place of pictures."""
    training: Training = Field(default_factory=Training)
    """Training recipe."""
    recipe: Name | None = None
    """Entry of section `recipes` that `training` was taken from; set where an experiment trains its models alike."""
