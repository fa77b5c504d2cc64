"""Pictures out of shards, a few at a time, without reading the rest."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.figures.style import MUTED


def view_of(folder: Path) -> tuple[str, str]:
    """Cohort and view of a folder of shards, as its name says (`COHORT.VIEW`, `COHORT.VIEW~FOLD`)."""
    cohort, _, view = folder.name.partition(".")
    if not view:
        raise LeukoFlowError(f"{folder}: is no view's folder (COHORT.VIEW)")
    return cohort, view.partition("~")[0]


def shards_in(folder: Path) -> list[Path]:
    """The shards (NPY) of a view, in order."""
    return sorted(folder.glob("*.npy"))


def load(shards: Iterable[Path], wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """Pictures [H, W, 3] uint8 of the wanted image ids.

    Beside each shard NNN.npy lies its index NNN.parquet with the column image_id. LeukoFlowError if a wanted
    picture is in none of the shards.
    """
    needed, loaded = set(wanted), {}
    shards = list(shards)
    for shard in shards:
        ids = read_table(shard.with_suffix(".parquet"), ["image_id"])["image_id"]
        rows = np.flatnonzero(ids.isin(needed))
        if len(rows):
            pictures = np.load(shard, mmap_mode="r", allow_pickle=False)
            loaded.update({ids.iloc[row]: np.array(pictures[row]) for row in rows})
    if len(loaded) < len(needed):
        name, folder = min(needed - loaded.keys()), shards[0].parent if shards else "no shard"
        raise LeukoFlowError(f"{name}: is in none of the {len(shards)} shards given ({folder}); name all of the view's")
    return loaded


def spread(ids: pd.Series, count: int) -> list[str]:
    """Up to `count` ids, evenly spaced over the list, so that they come from as many slides as can be."""
    places = np.linspace(0, len(ids) - 1, num=min(count, len(ids))).round().astype(int)
    return [str(ids.iloc[row]) for row in places]


def show(axes: Axes, picture: np.ndarray | None) -> None:
    """Draw a picture without ticks; a blank frame if there is none."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(picture is None)
        spine.set_color("#D5DAE1")
    if picture is None:
        axes.text(0.5, 0.5, "none", ha="center", va="center", color=MUTED, fontsize=7.5, transform=axes.transAxes)
    else:
        axes.imshow(picture, interpolation="antialiased")
