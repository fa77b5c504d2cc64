"""Tables of cohorts that are joined: what belongs to one of them carries its name."""

from collections.abc import Mapping, Sequence

import pandas as pd

OWN = ("image_id", "patient", "slide", "acquisition")
"""Columns whose values mean something within one cohort alone."""


def pooled(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table of a cohort's images as part of a pooled cohort: `NAME/VALUE` in the columns of `OWN`."""
    own = {column: _within(table[column], name) for column in OWN if column in table}
    return table.assign(**own)


def pooled_groups(groups: pd.DataFrame, pools: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Rows of table `groups` for the images of pooled cohorts, from those of the cohorts that they join."""
    parts = [
        pooled(groups[groups["cohort"] == name], name).assign(cohort=pool)
        for pool, names in pools.items()
        for name in names
    ]
    return pd.concat(parts, ignore_index=True) if parts else groups.iloc[:0]


def pooled_pairs(duplicates: pd.DataFrame, pools: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Pairs of table `duplicates` within pooled cohorts, across laboratories too."""
    parts = []
    for pool, names in pools.items():
        part = duplicates[duplicates["cohort_a"].isin(names) & duplicates["cohort_b"].isin(names)]
        named = {f"image_{side}": part[f"cohort_{side}"] + "/" + part[f"image_{side}"] for side in "ab"}
        parts.append(part.assign(**named, cohort_a=pool, cohort_b=pool))
    return pd.concat(parts, ignore_index=True) if parts else duplicates.iloc[:0]


def _within(column: pd.Series, name: str) -> pd.Series:
    return (name + "/" + column.astype("string")).astype(object).where(column.notna(), None)
