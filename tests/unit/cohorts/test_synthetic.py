"""The plan of a synthetic cohort: who, which slide, which faults."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.config.quality import Quality
from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality.description import Images
from leukoflow.quality.duplicates import find_duplicates
from leukoflow.quality.hashing import difference_hash, grey_thumbnail, to_hex
from leukoflow.quality.thumbnails import Thumbnails


def cohort(images: int = 240, patients: int = 24, **faults: object) -> SyntheticCohort:
    settings = {"kind": "synthetic", "images": images, "patients": patients, "size": 64, "faults": faults}
    return SyntheticCohort.model_validate(settings)


@pytest.mark.parametrize(("images", "patients"), [(4, 4), (7, 5), (10, 40), (61, 9), (240, 24), (1200, 120)])
def test_images_and_patients_are_spread_evenly_in_path_order(images: int, patients: int) -> None:
    table = plan(cohort(images, patients))
    assert len(table) == images
    assert table["path"].tolist() == sorted(set(table["path"]))
    assert table["index"].tolist() == list(range(images))
    for column, total in (("index", images), ("patient", min(images, patients))):
        counts = table.groupby("label")[column].nunique()
        assert set(counts.index) == {"Benign", "Early", "Pre", "Pro"}
        assert counts.max() - counts.min() <= 1 and (column == "patient" or counts.sum() == total)
    assert (table.groupby("patient")["label"].nunique() == 1).all()
    assert (table.groupby("slide")["patient"].nunique() == 1).all()
    assert table.groupby("patient")["slide"].nunique().isin([1, 2]).all()


def test_names_say_class_patient_slide_and_number() -> None:
    row = plan(cohort()).iloc[17]
    stem = f"Benign/benign_{row['patient']}_{row['slide'].split('_')[1]}_00017"
    assert (row["path"], row["mask"]) == (f"images/{stem}.jpg", f"masks/{stem}.png")


def test_the_plan_follows_from_the_settings_alone() -> None:
    first = cohort(exact_duplicates=0.1, near_duplicates=0.1, scale_bars={"Early": 0.5}, corrupt=0.1)
    pd.testing.assert_frame_equal(plan(first), plan(first))
    other = first.model_copy(update={"seed": 43})
    assert (plan(first)["duplicate_of"] != plan(other)["duplicate_of"]).any()


def test_copies_are_counted_stay_on_their_slide_and_copy_originals() -> None:
    table = plan(cohort(exact_duplicates=0.1, near_duplicates=0.2))
    kinds = table["duplicate_kind"].value_counts()
    assert (kinds["exact"], kinds["near"]) == (24, 48)
    copies = table[table["duplicate_of"] >= 0]
    assert (copies["duplicate_kind"] != "").all()
    originals = table.loc[copies["duplicate_of"]]
    assert (originals["duplicate_of"] == -1).all()
    assert copies["slide"].tolist() == originals["slide"].tolist()


def test_more_copies_than_possible_leave_one_original_on_each_slide() -> None:
    table = plan(cohort(40, 8, exact_duplicates=0.5, near_duplicates=0.5))
    assert (table[table["duplicate_of"] < 0].groupby("slide").size() == 1).all()
    kinds = table["duplicate_kind"].value_counts()
    assert abs(kinds["exact"] - kinds["near"]) <= 1


def test_augmented_copies_show_their_original_and_change_nothing_else(tmp_path: Path) -> None:
    planted = cohort(60, 8, augmented_duplicates=0.3).model_copy(update={"size": 224})
    table = plan(planted)
    assert table["duplicate_kind"].value_counts().to_dict() == {"": 42, "augmented": 18}
    drawings = [draw(planted, row) for row in rows(table)]
    np.save(tmp_path / "thumbnails.npy", np.stack([grey_thumbnail(drawing.image) for drawing in drawings]))
    images = pd.DataFrame({"cohort": "home", "image_id": [str(number) for number in range(60)], "label": None})
    images["sha256"] = images["image_id"]
    images["dhash"] = [to_hex(difference_hash(drawing.image)) for drawing in drawings]
    sized = images.assign(width=planted.size, height=planted.size)
    pairs = find_duplicates(Images.of(sized, Thumbnails([tmp_path / "thumbnails.npy"])), Quality())
    couples = {frozenset(pair) for pair in pairs[["image_a", "image_b"]].astype(int).to_numpy().tolist()}
    copies = table[table["duplicate_of"] >= 0]
    assert all(frozenset(pair) in couples for pair in copies["duplicate_of"].items())
    origin = np.where(table["duplicate_of"] < 0, np.arange(60), table["duplicate_of"])
    assert all(len({origin[number] for number in pair}) == 1 for pair in couples)
    for row, drawing in zip(rows(table), drawings, strict=True):
        if row.duplicate_of >= 0:  # the mask moves with the picture
            assert 0.5 < (drawing.mask > 0).mean() / (drawings[row.duplicate_of].mask > 0).mean() < 2


def test_scale_bars_by_class_and_copies_follow_their_original() -> None:
    table = plan(cohort(scale_bars={"Early": 0.6, "Pre": 1.0}, near_duplicates=0.3))
    originals = table[table["duplicate_of"] < 0]
    share = originals.groupby("label")["scale_bar"].mean()
    assert share["Early"] == pytest.approx(0.6, abs=0.02)
    assert (share["Benign"], share["Pre"], share["Pro"]) == (0, 1, 0)
    copies = table[table["duplicate_of"] >= 0]
    assert copies["scale_bar"].tolist() == table.loc[copies["duplicate_of"], "scale_bar"].tolist()


def test_damage_is_counted_and_spares_copies_and_their_originals() -> None:
    table = plan(cohort(corrupt=0.05, exact_duplicates=0.1))
    damaged = table[table["corrupt"] != ""]
    assert damaged["corrupt"].value_counts().to_dict() == {"truncated": 4, "empty": 4, "text": 4}
    assert (damaged["duplicate_of"] < 0).all()
    assert not np.isin(damaged["index"], table["duplicate_of"]).any()


def test_a_scale_bar_for_an_unknown_class_is_refused() -> None:
    with pytest.raises(LeukoFlowError, match=r"scale_bars: no class is called 'Late'; use Benign"):
        plan(cohort(scale_bars={"Late": 0.5}))
