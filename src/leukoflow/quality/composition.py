"""How the roles of a split are made up of classes."""

import pandas as pd

from leukoflow.core.inputs import Inputs
from leukoflow.quality.tables import splits_by_name

PLACE = ["cohort", "task", "protocol", "fold", "class"]
ROLES = ["train", "validation", "test"]
COLUMNS = [*PLACE, *ROLES]


def composition_table(inputs: Inputs) -> pd.DataFrame:
    """Table `composition`, from every split of `splits`: images of each class in each role of each fold, `COLUMNS`."""
    parts = []
    for (cohort, task, protocol), split in splits_by_name(inputs).items():
        counts = pd.crosstab([split["fold"], split["y"], split["label"]], split["role"])
        counts = counts.reindex(columns=ROLES, fill_value=0).rename_axis(columns=None)
        counts = counts.reset_index().rename(columns={"label": "class"})
        parts.append(counts.assign(cohort=cohort, task=task, protocol=protocol)[COLUMNS])
    return pd.concat(parts, ignore_index=True).astype(dict.fromkeys(ROLES, int))
