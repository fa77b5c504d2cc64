"""A share of the training images, for curves of accuracy against sample size."""

import numpy as np
import pandas as pd

from leukoflow.core.seeding import generator


def with_share(split: pd.DataFrame, fold: int, share: float, seed: int) -> pd.DataFrame:
    """The split of one fold with only a share of its training images; other roles stay. A share of 1 keeps all.

    Groups of images (split column `group`) are taken whole, in each class in an order drawn by the seed, while they
    come nearer to the share of the class's images, and at least one. A group counts for the class of its first image.
    The order does not depend on the share, so that a smaller share is part of a larger one.
    """
    split = split[split["fold"] == fold]
    if share == 1:
        return split
    train = split[split["role"] == "train"].sort_values("image_id")
    sizes = train.groupby("group", sort=True)["image_id"].size()
    first = train.groupby("group", sort=True)["y"].first()
    taken: list[object] = []
    for label in sorted(first.unique()):
        names = first.index[first == label]
        order = names[generator(seed, "share", int(label)).permutation(len(names))]
        reached = np.cumsum(sizes[order].to_numpy())
        # Half of a group may lie beyond the wanted number.
        enough = reached - sizes[order].to_numpy() / 2 <= share * reached[-1]
        taken += list(order[: max(1, int(enough.sum()))])
    keep = (split["role"] != "train") | split["group"].isin(taken)
    return split[keep]
