"""Patients, slides, sites and labels that differ only in what people overlook; see `core.names.skeleton`."""

import logging
from collections.abc import Iterable

import pandas as pd

from leukoflow.core.names import OVERLOOKED, alike, told_apart

log = logging.getLogger("leukoflow")
COLUMNS = ["kind", "names", "images", "unlabelled"]
_GIVEN = {"patient": "patient", "slide": "slide", "site": "site", "label": "given"}


def names_alike(listing: pd.DataFrame, labels: Iterable[str]) -> pd.DataFrame:
    """One row for each group of such names: kind (patient, slide, site or label), names (in words), images that have
    one of them, and how many of these have no label (0 but for labels). `labels`: names that the config gives a label
    to; a group that it names whole is no slip. Each group is also logged as a warning.
    """
    rows, named = [], set(labels)
    for kind, column in _GIVEN.items():
        values = listing[column].dropna()
        for names in alike([*values.unique(), *(named if kind == "label" else ())]):
            if kind == "label" and named.issuperset(names):
                continue
            images = values.index[values.isin(names)]
            lost = int(listing.loc[images, "label"].isna().sum()) if kind == "label" else 0
            rows.append((kind, told_apart(names), len(images), lost))
            left = f"; {lost} of these images have no label" if lost else ""
            log.warning(
                "%s: %s differ %s%s; write them alike if they mean the same", kind, rows[-1][1], OVERLOOKED, left
            )
    return pd.DataFrame(rows, columns=COLUMNS)
