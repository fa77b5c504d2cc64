"""Which images of a cohort figures show. It draws nothing, so that steps without a library for figures can ask too."""

import numpy as np
import pandas as pd

from leukoflow.config.tasks import Task


def by_class(manifest: pd.DataFrame, task: Task) -> dict[str, pd.Series]:
    """Image ids of each class, in the task's order; then of images, if any, that take no part."""
    codes = manifest["label"].map(lambda label: task.class_of(label if isinstance(label, str) else None))
    groups = {name: manifest.loc[codes == index, "image_id"] for index, name in enumerate(task.classes)}
    rest = manifest.loc[codes.isna(), "image_id"]
    return {**groups, "no class": rest} if len(rest) else groups


def typical(images: pd.DataFrame, ids: pd.Series) -> str | None:
    """Of the images `ids`, one with a typical number of white cells, the one nearest to the middle of the list.

    `images` has image_id and cells (how many were found). None if none of the ids is there.
    """
    cells = images.set_index("image_id")["cells"].reindex(ids).dropna()
    if cells.empty:
        return None
    far = (cells - cells.median()).abs().to_numpy()
    middle = np.abs(np.arange(len(cells)) - len(cells) // 2)
    return str(cells.index[np.lexsort((middle, far))[0]])


def typical_of(manifest: pd.DataFrame, images: pd.DataFrame, task: Task) -> dict[str, str | None]:
    """The image of each class that the panel shows; None of a class without one."""
    groups = by_class(manifest, task)
    return {name: typical(images, groups[name]) for name in task.classes}
