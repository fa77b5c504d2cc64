"""Images that a model has already seen, as themselves or as a duplicate."""

import pandas as pd

LEARNT = ("train", "validation")


def seen_images(duplicates: pd.DataFrame, split: pd.DataFrame, cohort: str, target: str) -> set[str]:
    """Image ids of `target` that have a duplicate among the images that a run on `cohort` learnt from.

    `duplicates` holds each pair once (cohort_a, image_a, cohort_b, image_b); `split` the image_id and role of one fold
    of the run. Training and validation images both count: one fits the weights, the other chooses the epoch.
    """
    learnt = set(split.loc[split["role"].isin(LEARNT), "image_id"])
    seen: set[str] = set()
    for here, there in (("a", "b"), ("b", "a")):
        pairs = duplicates[(duplicates[f"cohort_{here}"] == target) & (duplicates[f"cohort_{there}"] == cohort)]
        seen.update(pairs.loc[pairs[f"image_{there}"].isin(learnt), f"image_{here}"])
    return seen
