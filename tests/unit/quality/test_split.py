"""Splits: published counts, stratification, groups kept together, and what cannot be divided."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from leukoflow.config.splits import Division
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality.split import ROLES, group_names, labelled, make_split

SUBTYPES = ("Benign", "Early", "Pre", "Pro")
PUBLISHED = (504, 985, 963, 804)


def cohort(counts: tuple[int, ...] = PUBLISHED, size: int = 1) -> pd.DataFrame:
    """Images of each class in consecutive clusters (and patients) of `size` images; no duplicates."""
    y = np.repeat(np.arange(len(counts)), counts)
    within = np.concatenate([np.arange(count) for count in counts])
    names = [f"{label}-{number // size:04}" for label, number in zip(y, within, strict=True)]
    ids = [f"image-{number:05}" for number in range(len(y))]
    return pd.DataFrame({"image_id": ids, "y": y, "duplicate_group": ids, "acquisition": names, "patient": names})


def sizes(split: pd.DataFrame) -> pd.DataFrame:
    return pd.crosstab([split["fold"], split["role"]], split["y"])


def test_published_hold_out_is_reproduced():
    split = make_split(cohort(), SUBTYPES, Division(groups="image"))
    assert split["role"].value_counts().to_dict() == {"train": 2604, "validation": 326, "test": 326}
    tested = sizes(split).loc[(0, "test")].tolist()
    assert tested == [50, 99, 96, 81]
    _, reference = train_test_split(cohort()["y"], test_size=326, stratify=cohort()["y"], random_state=0)
    assert tested == np.bincount(reference).tolist()


def test_five_folds_test_each_image_once_in_equal_parts():
    split = make_split(cohort(), SUBTYPES, Division(groups="image", folds=5))
    tested = split[split["role"] == "test"]
    assert tested["image_id"].is_unique and len(tested) == 3256
    assert np.ptp(sizes(split).xs("test", level="role").to_numpy(), axis=0).max() <= 1
    validation = sizes(split).xs("validation", level="role").to_numpy()
    assert np.abs(validation - np.array(PUBLISHED) / 10).max() <= 1


def test_the_order_of_the_table_does_not_matter_but_is_kept():
    table = cohort((30, 40), 3)
    shuffled = table.sample(frac=1, random_state=1)
    first = make_split(table, ("a", "b"), Division(groups="acquisition", folds=3))
    second = make_split(shuffled, ("a", "b"), Division(groups="acquisition", folds=3))
    assert list(second["image_id"][:70]) == list(shuffled["image_id"])
    keys = ["fold", "image_id"]
    pd.testing.assert_frame_equal(*(each.sort_values(keys, ignore_index=True) for each in (first, second)))


def test_the_seed_changes_the_division():
    first, second = (make_split(cohort(), SUBTYPES, Division(groups="image", seed=seed)) for seed in (1, 2))
    assert 0.05 < (first["role"] != second["role"]).mean() < 0.5


@pytest.mark.parametrize("folds", [3, 5])
def test_grouped_folds_are_as_balanced_as_scikit_learns(folds):
    table = cohort((504, 985, 963, 804), 40)
    split = make_split(table, SUBTYPES, Division(groups="acquisition", folds=folds))
    ours = sizes(split).xs("test", level="role").to_numpy()
    reference = [
        np.bincount(table["y"].iloc[test], minlength=4)
        for _, test in StratifiedGroupKFold(folds).split(table, table["y"], table["acquisition"])
    ]
    target = np.array(PUBLISHED) / folds
    assert ((ours - target) ** 2 / target).sum() <= ((reference - target) ** 2 / target).sum() * 1.1


def test_grouped_hold_out_is_close_to_the_fractions():
    split = make_split(cohort(size=12), SUBTYPES, Division(groups="acquisition"))
    shares = sizes(split).to_numpy() / np.array(PUBLISHED)
    assert shares == pytest.approx(np.array([[0.1] * 4, [0.8] * 4, [0.1] * 4]), abs=0.025)


def test_few_large_groups_leave_no_role_without_a_class():
    split = make_split(cohort((30, 60), 10), ("a", "b"), Division(groups="patient"))
    assert (sizes(split).to_numpy() >= 10).all()


def test_groups_of_several_classes_are_spread():
    table = cohort((40, 40))
    table["patient"] = [f"p{number % 5}" for number in range(80)]
    split = make_split(table, ("a", "b"), Division(groups="patient", folds=5, validation=0.2))
    assert (sizes(split).to_numpy() >= 8).all()


@pytest.mark.parametrize(("groups", "folds"), [(2, 1), (4, 5), (3, 2)])
def test_too_few_groups_are_named(groups, folds):
    table = cohort((100, groups * 10), 10)
    with pytest.raises(LeukoFlowError, match=rf"class 'Pro' has {groups} groups by 'patient'.*add images"):
        make_split(table, ("Pre", "Pro"), Division(groups="patient", folds=folds))


def test_a_class_without_images_is_named():
    with pytest.raises(LeukoFlowError, match="class 'c' has 0 groups"):
        make_split(cohort((30, 30)), ("a", "b", "c"), Division(groups="image"))


def test_an_image_listed_twice_is_refused():
    table = cohort((30, 30))
    with pytest.raises(LeukoFlowError, match="image-00003: twice"):
        make_split(pd.concat([table, table.iloc[[3]]]), ("a", "b"), Division(groups="image"))


def test_unknown_patients_are_counted_and_named():
    table = cohort((30, 30))
    table.loc[[4, 7], "patient"] = None
    with pytest.raises(LeukoFlowError, match=r"'patient': 2 of 60 images have no patient.*image-00004"):
        make_split(table, ("a", "b"), Division(groups="patient"))
    make_split(table, ("a", "b"), Division(groups="acquisition"))


def test_duplicates_join_clusters_and_patients():
    table = pd.DataFrame(
        {
            "image_id": list("abcdef"),
            "duplicate_group": ["1", "1", "2", "3", "3", "4"],
            "acquisition": ["x", "y", "y", "z", "z", "w"],
            "patient": ["p", "q", "r", "s", "t", "t"],
        }
    )
    assert group_names(table, "image").tolist() == list("abcdef")
    assert group_names(table, "duplicate").tolist() == ["1", "1", "2", "3", "3", "4"]
    assert group_names(table, "acquisition").tolist() == ["x", "x", "x", "z", "z", "w"]
    assert group_names(table, "patient").tolist() == ["p", "p", "r", "s", "s", "s"]


def test_labels_become_classes_by_name():
    manifest = pd.DataFrame({"image_id": list("abcd"), "label": ["Pro", None, "Benign", "Other"]})
    task = Task(classes=("benign", "malignant"), labels={"Benign": "benign", "Pro": "malignant"})
    table = labelled(manifest, task)
    assert table[["image_id", "y", "label"]].to_numpy().tolist() == [["a", 1, "malignant"], ["c", 0, "benign"]]


@st.composite
def tables(draw):
    """Cohorts with groups of any size, of one or several classes, and links by duplicates."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    size, groups, classes = draw(st.integers(20, 150)), draw(st.integers(10, 60)), draw(st.integers(2, 4))
    acquisition = rng.integers(0, groups, size)
    pure = draw(st.booleans())
    y = acquisition % classes if pure else rng.integers(0, classes, size)
    copies = np.arange(size)
    for image in rng.choice(size, draw(st.integers(0, 10)), replace=False):
        copies[image] = copies[rng.integers(0, size)]
    return pd.DataFrame(
        {
            "image_id": [f"i{number}" for number in rng.permutation(size)],
            "y": y,
            "duplicate_group": [f"d{number}" for number in copies],
            "acquisition": [f"s{number}" for number in acquisition],
            "patient": [f"p{number // 2}" for number in acquisition],
        }
    )


@settings(max_examples=40, deadline=None)
@given(tables(), st.sampled_from(["image", "duplicate", "acquisition", "patient"]), st.sampled_from([1, 2, 3, 5]))
def test_invariants(table, protocol, folds):
    classes = tuple("abcd"[: table["y"].max() + 1])
    try:
        split = make_split(table, classes, Division(groups=protocol, folds=folds))
    except LeukoFlowError as error:
        assert "groups by" in str(error)
        return
    once = split.groupby("fold")["image_id"].agg(["size", "nunique"])
    assert (once == len(table)).all(axis=None) and len(once) == folds
    assert (split.groupby(["fold", "group"])["role"].nunique() == 1).all(), "a group is in one role"
    for column in {"image": [], "duplicate": ["duplicate_group"]}.get(protocol, ["duplicate_group", protocol]):
        placed = split.merge(table[["image_id", column]], on="image_id")
        assert (placed.groupby(["fold", column])["role"].nunique() == 1).all()
    if folds > 1:
        assert sorted(split.loc[split["role"] == "test", "image_id"]) == sorted(table["image_id"])
    present = split.groupby(["fold", "role"])["y"].nunique()
    assert len(present) == folds * len(ROLES) and (present == len(classes)).all()
    labels = table.set_index("image_id")["y"]
    assert (split["image_id"].map(labels) == split["y"]).all()
