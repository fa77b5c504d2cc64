"""Shares of the training images."""

import itertools

import numpy as np
import pandas as pd
import pytest

from leukoflow.training.share import with_share


def split(groups: bool = False) -> pd.DataFrame:
    """600 images in three classes of 300, 200 and 100, in two folds; in groups of 5 if asked."""
    y = np.repeat([0, 1, 2], [300, 200, 100])
    ids = [f"{number:03d}" for number in range(600)]
    role = np.where(np.arange(600) % 5 == 0, "test", np.where(np.arange(600) % 10 == 1, "validation", "train"))
    if groups:
        role = np.where(
            np.arange(600) // 5 % 5 == 0, "test", np.where(np.arange(600) // 5 % 10 == 1, "validation", "train")
        )
    group = [f"g{number // 5}" for number in range(600)] if groups else ids
    table = pd.DataFrame({"image_id": ids, "y": y, "label": "", "group": group, "role": role})
    return pd.concat([table.assign(fold=0), table.assign(fold=1)], ignore_index=True)


def train(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["role"] == "train"]


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_each_class_keeps_its_share_and_groups_stay_whole(groups: bool, share: float) -> None:
    whole = split(groups)
    reduced = with_share(whole, 0, share, 42)
    mine = whole[whole["fold"] == 0]
    assert set(reduced["fold"]) == {0}
    for role in ("validation", "test"):
        assert reduced[reduced["role"] == role].equals(mine[mine["role"] == role])
    wanted = share * train(mine).groupby("y").size()
    assert (train(reduced).groupby("y").size() - wanted).abs().max() <= (2.5 if groups else 0.5)
    sizes = train(mine).groupby("group").size()
    kept = train(reduced).groupby("group").size()
    assert kept.equals(sizes[kept.index])


def test_smaller_shares_are_parts_of_larger_ones_and_seeds_differ() -> None:
    chosen = [set(train(with_share(split(), 0, share, 1))["image_id"]) for share in (0.1, 0.25, 0.5, 1.0)]
    assert all(small < large for small, large in itertools.pairwise(chosen))
    other = set(train(with_share(split(), 0, 0.25, 2))["image_id"])
    assert other != chosen[1] and len(other) == len(chosen[1])
    assert set(train(with_share(split().sample(frac=1, random_state=3), 0, 0.25, 1))["image_id"]) == chosen[1]


def test_every_class_keeps_at_least_a_group() -> None:
    assert train(with_share(split(True), 0, 0.001, 1)).groupby("y")["group"].nunique().tolist() == [1, 1, 1]
