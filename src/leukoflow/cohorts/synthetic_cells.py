"""How hematogones and the blasts of early pre-B, pre-B and pro-B leukaemia look: traits of single cells.

The classes are steps of one maturation, from pro-B (large, open chromatin, prominent nucleoli, a generous basophilic
cytoplasm) to hematogones (small, hardly any cytoplasm, dense homogeneous chromatin, no nucleoli). Neighbouring classes
overlap in every trait. None of the traits is a stain: colour belongs to the slide (`optics`), not to the class.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

LABELS = ("Benign", "Early", "Pre", "Pro")
MAX_NUCLEOLI = 4
MAX_VACUOLES = 4
PATIENT_SHARE = 0.4
"""Part of each trait's spread that is common to the cells of a patient (the rest is between cells)."""


@dataclass(frozen=True)
class Traits:
    """Mean of each trait in a class, or the standard deviation between cells (`SPREAD`, the same for all classes)."""

    diameter: float
    """Cell diameter, micrometres."""
    nuclear_ratio: float
    """N:C ratio: nuclear area / cell area."""
    openness: float
    """Chromatin, 0 (condensed) to 1 (fine, open)."""
    clumping: float
    """Contrast of the coarse chromatin clumps, 0 to 1."""
    nucleoli: float
    """Expected number of nucleoli (Poisson, at most `MAX_NUCLEOLI`)."""
    prominence: float
    """Contrast of the nucleoli, 0 to 1."""
    indentation: float
    """Depth of the nuclear cleft, fraction of the nuclear radius."""
    basophilia: float
    """Azure uptake of the cytoplasm, relative."""
    vacuoles: float
    """Expected number of cytoplasmic vacuoles (Poisson, at most `MAX_VACUOLES`)."""


TRAITS = {
    "Benign": Traits(9.0, 0.91, 0.10, 0.15, 0.05, 0.25, 0.06, 0.85, 0.0),
    "Pre": Traits(10.9, 0.85, 0.35, 0.80, 0.5, 0.40, 0.24, 0.95, 0.1),
    "Early": Traits(12.3, 0.77, 0.62, 0.45, 1.4, 0.75, 0.10, 1.00, 1.0),
    "Pro": Traits(13.9, 0.67, 0.90, 0.25, 2.6, 1.00, 0.08, 1.10, 0.5),
}
SPREAD = Traits(0.85, 0.042, 0.12, 0.12, 0.0, 0.15, 0.05, 0.15, 0.0)


@dataclass(frozen=True)
class Cells:
    """Traits of n white cells, float32 arrays [n]; the same units as `Traits`."""

    diameter: NDArray[np.float32]
    nuclear_ratio: NDArray[np.float32]
    openness: NDArray[np.float32]
    clumping: NDArray[np.float32]
    nucleoli: NDArray[np.float32]
    prominence: NDArray[np.float32]
    indentation: NDArray[np.float32]
    basophilia: NDArray[np.float32]
    vacuoles: NDArray[np.float32]


LIMITS = {
    "diameter": (6.8, 17.5),
    "nuclear_ratio": (0.45, 0.96),
    "openness": (0.0, 1.0),
    "clumping": (0.0, 1.0),
    "nucleoli": (0.0, MAX_NUCLEOLI),
    "prominence": (0.1, 1.0),
    "indentation": (0.0, 0.45),
    "basophilia": (0.4, 1.6),
    "vacuoles": (0.0, MAX_VACUOLES),
}


def draw_cells(label: str, n: int, patient: np.random.Generator, rng: np.random.Generator) -> Cells:
    """Traits of n cells of one image: class mean + the patient's deviation + each cell's own.

    `patient` must be the patient's stream, fresh, so that all images of a patient share the same deviation.
    """
    mean, traits = TRAITS[label], {}
    for name in (field.name for field in fields(Traits)):
        centre, spread = getattr(mean, name), getattr(SPREAD, name)
        shared = float(patient.normal())
        if spread == 0:  # counts
            values = rng.poisson(centre * np.exp(0.25 * shared), n).astype(np.float32)
        else:
            within = np.sqrt(1 - PATIENT_SHARE**2) * rng.normal(size=n)
            values = (centre + spread * (PATIENT_SHARE * shared + within)).astype(np.float32)
        traits[name] = np.clip(values, *LIMITS[name]).astype(np.float32)
    return Cells(**traits)
