"""Readings of the "18.1 M parameters" that the paper of ResNet50 + HMSCAM prints: what could have been counted.

ResNet50 alone, without pooling and classifier, has 23.5 M. Counts here are of the canonical modules in
`models.resnet50_hmscam`, by arithmetic; a test holds them to the networks themselves.
"""

from dataclasses import dataclass

import pandas as pd

from leukoflow.core.inputs import Inputs

PRINTED = 18_100_000
HALF_UNIT = 50_000
"""Printed with one decimal of a million."""
STEM_TO_LAYER3, LAYER4 = 8_543_296, 14_964_736
"""Parameters of ResNet50's trunk."""
PARTS = ["trunk", "msca", "non_local", "spatial", "dar", "head"]
COLUMNS = ["reading", "nl_share", "reductions", "reduction_dar", *PARTS, "counted", "off", "agrees"]


@dataclass(frozen=True)
class Reading:
    """One way to come to a number."""

    what: str
    trunk: int
    """Parameters of the trunk that are counted."""
    channels: int = 2048
    nl_share: int = 1
    """The non-local block is 1 / so many of the channels wide."""
    reductions: tuple[int, int] = (16, 32)
    reduction_dar: int = 16
    classes: int = 4

    def parts(self) -> dict[str, int]:
        """Parameters by component, `PARTS`."""
        wide, inner = self.channels, self.channels // self.nl_share
        return {
            "trunk": self.trunk,
            "msca": sum(_gate(wide, reduction) for reduction in self.reductions),
            "non_local": 3 * (wide * inner + inner) + inner * wide + wide,
            "spatial": sum(2 * side**2 + 1 for side in (3, 5, 7)),
            "dar": _gate(wide, self.reduction_dar),
            "head": wide * self.classes + self.classes,
        }


def _gate(channels: int, reduction: int) -> int:
    hidden = channels // reduction
    return channels * hidden + hidden + hidden * channels + channels


READINGS = (
    Reading("the whole network", STEM_TO_LAYER3 + LAYER4),
    Reading("the whole network, non-local block of C / 8", STEM_TO_LAYER3 + LAYER4, nl_share=8),
    Reading("modules and classifier alone, four classes (the one taken here)", 0),
    Reading("modules and classifier alone, two classes", 0, classes=2),
    Reading("modules and classifier alone, non-local block of C / 2", 0, nl_share=2),
    Reading(
        "what is trained if layers up to 3 are frozen, non-local block of C / 8", LAYER4, nl_share=8, reduction_dar=32
    ),
    Reading("what is trained if layers up to 3 are frozen, full-width block", LAYER4),
    Reading("trunk cut behind layer 3", STEM_TO_LAYER3, channels=1024),
)


def readings() -> pd.DataFrame:
    """`COLUMNS`: a row for each reading, parameters by component, and how far their sum is from the printed number."""
    rows = []
    for reading in READINGS:
        parts = reading.parts()
        counted = sum(parts.values())
        rows.append(
            {
                "reading": reading.what,
                "nl_share": 1 / reading.nl_share,
                "reductions": " ".join(map(str, reading.reductions)),
                "reduction_dar": reading.reduction_dar,
                **parts,
                "counted": counted,
                "off": counted - PRINTED,
                "agrees": "yes" if abs(counted - PRINTED) <= HALF_UNIT else "no",
            }
        )
    return pd.DataFrame(rows, columns=COLUMNS)


def readings_table(inputs: Inputs) -> pd.DataFrame:
    """The same as a table of the study; it depends on nothing."""
    return readings()
