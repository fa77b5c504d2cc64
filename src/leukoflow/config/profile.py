"""Section `evaluation.profile`: how speed and memory are measured."""

from typing import Annotated

from pydantic import Field

from leukoflow.config.base import Section


class Profile(Section):
    """Speed and memory of each network, on one thread of the CPU, and on the GPU if there is one."""

    warm_up: int = Field(20, ge=1)
    """Passes before measuring starts."""
    runs: int = Field(200, ge=5)
    """Passes measured with one image; larger batches are repeated until they hold as many images, at least five times.
    """
    batches: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field((1, 2, 4, 8, 16, 32, 64), min_length=1)
    """Batch sizes; 1 is always among them."""
    seconds: float = Field(30, gt=0)
    """Time after which the measuring of a batch size ends, however many passes there were (two at least)."""
