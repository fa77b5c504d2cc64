from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.figures.pictures import load, spread, view_of
from leukoflow.figures.samples import class_samples, views


@pytest.fixture
def cohort(tmp_path) -> tuple[pd.DataFrame, dict[str, list[Path]]]:
    manifest = pd.DataFrame(
        {"image_id": [f"i{k:02d}" for k in range(40)], "label": ["x"] * 30 + ["y"] * 6 + [None] * 4}
    )
    shards: dict[str, list[Path]] = {}
    for view in ("plain", "grey"):
        for shard, part in enumerate((manifest[:25], manifest[25:])):
            path = tmp_path / f"home.{view}" / f"{shard:03d}.npy"
            path.parent.mkdir(exist_ok=True)
            pictures = np.broadcast_to(part.index.to_numpy(np.uint8)[:, None, None, None], (len(part), 4, 4, 3))
            np.save(path, pictures + (100 if view == "grey" else 0))
            part[["image_id"]].to_parquet(path.with_suffix(".parquet"))
            shards.setdefault(view, []).append(path)
    return manifest, shards


def test_pictures_come_from_the_shard_that_holds_them(cohort):
    pictures = load(cohort[1]["plain"], ["i30", "i02"])
    assert {name: int(picture[0, 0, 0]) for name, picture in pictures.items()} == {"i30": 30, "i02": 2}


def test_a_shard_left_out_is_an_error_and_no_blank(cohort):
    with pytest.raises(LeukoFlowError, match=r"i30: is in none of the 1 shards given \(.*home\.plain\)"):
        load(cohort[1]["plain"][:1], ["i30", "i02"])


def test_samples_are_spread_over_each_class(cohort):
    manifest, shards = cohort
    figure, table = class_samples(manifest, Task(classes=("y", "x", "z")), shards["plain"])
    shown = table.groupby("class", sort=False)["image_id"].agg(list).to_dict()
    assert shown["x"] == ["i00", "i04", "i08", "i12", "i17", "i21", "i25", "i29"]
    assert shown["y"] == [f"i{k}" for k in range(30, 36)] and shown["no class"] == [f"i{k}" for k in range(36, 40)]
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == [
        "y\nn = 6",
        "x\nn = 30",
        "z\nn = 0",
        "no class\nn = 4",
    ]
    assert int(figure.axes[0].images[0].get_array()[0, 0, 0]) == 30


def test_views_show_the_same_image_in_every_column(cohort):
    manifest, shards = cohort
    figure, table = views(manifest, Task(classes=("x", "y")), shards)
    values = [int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes]
    assert values == [15, 115, 33, 133, 38, 138]
    assert table.groupby("class")["image_id"].nunique().eq(1).all()


def test_a_shard_out_of_place_is_named():
    assert view_of(Path("views/home.grey")) == ("home", "grey")
    with pytest.raises(LeukoFlowError, match="is no view's folder"):
        view_of(Path("views/home"))


def test_spread_takes_all_of_few():
    assert spread(pd.Series(["a", "b"]), 8) == ["a", "b"] and spread(pd.Series([], dtype=str), 8) == []
