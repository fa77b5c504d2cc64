"""Synthetic smears in memory, with a split by patient, for tests of what a planted stain gives away."""

import numpy as np
import pandas as pd

from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort


def drawn_smears(
    confounding: float, images: int, patients: int, size: int = 64
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Images uint8 [size, size, 3], and their image_id, y, group (the patient), fold and role: half train."""
    settings = {"kind": "synthetic", "images": images, "patients": patients, "size": size}
    cohort = SyntheticCohort.model_validate(settings | {"faults": {"stain_confounding": confounding}})
    table = plan(cohort)
    pictures = [draw(cohort, row).image for row in rows(table)]
    tenth = pd.factorize(table["patient"])[0] % 10
    role = np.where(tenth < 5, "train", np.where(tenth < 6, "validation", "test"))
    y = pd.factorize(table["label"])[0]
    facts = {"image_id": table["path"], "y": y, "group": table["patient"], "fold": 0, "role": role}
    return pictures, pd.DataFrame(facts)
