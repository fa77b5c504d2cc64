"""Copies of held-out images among the images trained on: which rows change, how, and that they always change alike."""

import numpy as np
import pandas as pd
import torch

from leukoflow.training import batches
from leukoflow.training.augment import augment
from leukoflow.training.copies import CHANGES, SEED, copied_images, with_copies

IMAGES = 10


class Pictures:
    """Ten random pictures, two rows for each image."""

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self.pictures = draw.integers(0, 256, (2 * IMAGES, 16, 16, 3), dtype=np.uint8)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pictures[rows]

    def groups_of(self, image_ids) -> tuple[np.ndarray, np.ndarray]:
        images = np.array([int(name) for name in image_ids])
        return np.concatenate([2 * images, 2 * images + 1]), np.tile(np.arange(len(images)), 2)


def split(copied: str) -> pd.DataFrame:
    rows = [(str(image), "train" if image < 6 else "validation" if image < 8 else "test") for image in range(IMAGES)]
    rows += [(image, "train") for image in copied]
    table = pd.DataFrame(rows, columns=["image_id", "role"]).assign(fold=0)
    return table.assign(y=[int(image) % 2 for image in table["image_id"]])


def test_images_in_two_roles_are_copies_and_no_others():
    assert copied_images(split("")) == set() and copied_images(split("79")) == {"7", "9"}


def test_held_out_images_are_trained_on_changed_and_others_as_they_are():
    source = Pictures()
    table = split("79")
    plain = batches.examples_of(source, table, 0, "train")
    train = with_copies(plain, source, table, 0)
    assert train.rows.tolist() == [*range(12), 14, 15, 18, 19] and train.y.tolist()[12:] == [1] * 4
    pictures = train.images.gather(train.rows)
    assert (pictures[:12] == source.pictures[:12]).all()
    raw = torch.from_numpy(source.pictures[train.rows[12:]]).permute(0, 3, 1, 2) / 255
    wanted = augment(raw, torch.tensor([14, 15, 18, 19]), CHANGES, SEED, 0).permute(0, 2, 3, 1).numpy() * 255
    assert np.abs(pictures[12:] - wanted).max() <= 0.5 + 1e-4
    assert np.abs(pictures[12:].astype(int) - source.pictures[train.rows[12:]]).mean() > 5
    # In any order and batch the same, and the pictures themselves untouched.
    back = train.images.gather(train.rows[::-1])[::-1]
    assert (back == pictures).all() and (source.pictures == Pictures().pictures).all()


def test_without_copies_nothing_is_wrapped():
    source = Pictures()
    plain = batches.examples_of(source, split(""), 0, "train")
    assert with_copies(plain, source, split(""), 0) is plain
