"""Section `shortcuts`: the audit of what gives a class away besides the cells."""

from pydantic import Field

from leukoflow.config.base import Section


class Shortcuts(Section):
    """How the shortcut audit is made."""

    images: int = Field(20_000, ge=50)
    """Most images that the probes learn from, and most that they are tested on; more are sampled."""
    trees: int = Field(100, ge=10, le=1000)
    """Trees of each probe's random forest."""
