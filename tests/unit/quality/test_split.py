"""Splits: published counts, stratification, groups kept together, and what cannot be divided."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from leukoflow.config.protocols import ready
from leukoflow.config.splits import Division
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality.split import ROLES, file_blocks, group_names, labelled, make_split

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
    pd.testing.assert_frame_equal(*(split.sort_values(keys, ignore_index=True) for split in (first, second)))


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
@given(
    tables(), st.sampled_from(["image", "duplicate", "blocks", "acquisition", "patient"]), st.sampled_from([1, 2, 3, 5])
)
def test_invariants(table, protocol, folds):
    classes = tuple("abcd"[: table["y"].max() + 1])
    table = table.assign(blocks=file_blocks(table["image_id"].to_list(), 25))
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


def role(split: pd.DataFrame, name: str, fold: int = 0) -> set[str]:
    return set(split.loc[(split["role"] == name) & (split["fold"] == fold), "image_id"])


def test_as_many_test_images_of_each_class_and_a_tenth_of_the_rest():
    split = make_split(cohort(), SUBTYPES, ready()["vgg19_mhsa"])
    counts = sizes(split)
    assert counts.loc[(0, "test")].tolist() == [100, 100, 100, 100]
    left = np.array(PUBLISHED) - 100
    validation = counts.loc[(0, "validation")].to_numpy()
    assert validation.sum() == round(left.sum() / 10) and np.abs(validation - left / 10).max() < 1
    with pytest.raises(LeukoFlowError, match="a class has 30 images, too few for 29"):
        make_split(cohort((60, 30)), ("a", "b"), Division(test_images=29))


def test_without_stratification_roles_have_their_sizes_and_classes_fall_as_they_may():
    counts = [sizes(make_split(cohort(), SUBTYPES, Division(test=0.2, stratified=False, seed=s))) for s in range(30)]
    assert {table.loc[(0, "test")].sum() for table in counts} == {651}
    benign = np.array([table.loc[(0, "test"), 0] for table in counts])
    # As of balls drawn from an urn: 504 of 3,256, 651 drawn.
    expected = hypergeom(3256, 504, 651)
    assert abs(benign.mean() - expected.mean()) < 4 * expected.std() / np.sqrt(30)
    assert 0.5 < benign.std() / expected.std() < 1.6


@pytest.mark.parametrize("folds", [1, 3])
def test_the_test_images_are_the_validation_images_too(folds):
    honest = make_split(cohort((40, 60)), ("a", "b"), Division(folds=folds, test=0.2))
    leaky = make_split(cohort((40, 60)), ("a", "b"), Division(folds=folds, test=0.2, leaks=["validation_as_test"]))
    for fold in range(folds):
        assert role(leaky, "validation", fold) == role(leaky, "test", fold) == role(honest, "test", fold)
        assert role(leaky, "train", fold) == role(honest, "train", fold)
    assert not leaky.duplicated(["fold", "role", "image_id"]).any()


def test_without_validation_images_the_rest_is_trained_on_and_the_same_are_tested():
    published, apart = (make_split(cohort(), SUBTYPES, ready()[name]) for name in ("leaky_hmscam", "hmscam"))
    assert len(role(published, "train")) == 2605 and role(published, "test") == role(apart, "test")
    assert role(published, "train") == role(apart, "train") | role(apart, "validation")


@pytest.mark.parametrize(
    ("leak", "copied"),
    [("augmented_before_split", ["validation", "test"]), ("augmented_before_validation", ["validation"])],
)
def test_copies_of_held_out_images_are_trained_on(leak, copied):
    honest = make_split(cohort((40, 60)), ("a", "b"), Division())
    leaky = make_split(cohort((40, 60)), ("a", "b"), Division(leaks=[leak]))
    assert role(leaky, "test") == role(honest, "test") and role(leaky, "validation") == role(honest, "validation")
    assert role(leaky, "train") == role(honest, "train").union(*(role(honest, name) for name in copied))


def test_duplicates_are_dropped_from_training_alone():
    table = cohort((40, 60))
    # Every image has the next one for a copy.
    table["duplicate_group"] = [f"d{number // 2}" for number in range(100)]
    division = Division(folds=2, drop_duplicates=True)
    split, whole = (make_split(table, ("a", "b"), variant) for variant in (division, Division(folds=2)))
    group = dict(zip(table["image_id"], table["duplicate_group"], strict=True))
    for fold in range(2):
        held = role(whole, "test", fold) | role(whole, "validation", fold)
        kept: dict[str, str] = {}
        for image in sorted(role(whole, "train", fold)):
            if group[image] not in {group[member] for member in held}:
                kept.setdefault(group[image], image)
        assert role(split, "train", fold) == set(kept.values()) and len(kept) < len(role(whole, "train", fold))
        assert role(split, "test", fold) == role(whole, "test", fold)


def test_blocks_of_file_numbers():
    names = ["a/WBC-001.jpg", "a/WBC-025.jpg", "a/WBC-026.jpg", "b/WBC-001.jpg", "a/X2-7 (1).png", "a/none.jpg"]
    assert file_blocks(names, 25) == ["a/WBC-1", "a/WBC-1", "a/WBC-26", "b/WBC-1", "a/X2-7 (1)", ""]
    table = pd.DataFrame({"image_id": names[:4], "duplicate_group": ["1", "2", "3", "3"]})
    # The copy joins the block of the other folder to the second block of this one.
    assert group_names(table, "blocks").tolist() == ["a/WBC-1", "a/WBC-1", "a/WBC-26", "a/WBC-26"]
    with pytest.raises(LeukoFlowError, match="1 of 1 images have no file number"):
        group_names(pd.DataFrame({"image_id": names[5:], "duplicate_group": "1"}), "blocks")


def laboratories(sizes: dict[str, tuple[int, ...]]) -> pd.DataFrame:
    """Images of several laboratories, so many of each class; near-duplicates in pairs within a laboratory."""
    rows = [
        {
            "image_id": f"{site}/{label}-{number:03}",
            "y": label,
            "site": site,
            "duplicate_group": f"{site}{label}{number // 2}",
        }
        for site, counts in sizes.items()
        for label, count in enumerate(counts)
        for number in range(count)
    ]
    return pd.DataFrame(rows)


def test_each_laboratory_is_tested_once_by_what_has_seen_none_of_it():
    table = laboratories({"a": (40, 40), "b": (30, 20), "c": (0, 25)})
    # A picture that two laboratories share.
    table.loc[table["image_id"].isin(["a/0-000", "b/0-000"]), "duplicate_group"] = "shared"
    split = make_split(table, ("x", "y"), Division(groups="laboratory", validation=0.2))
    site = split["image_id"].str[0]
    assert split["fold"].nunique() == 3
    for fold, name in enumerate("abc"):
        part = split[split["fold"] == fold]
        tested = part["role"] == "test"
        assert set(site[part.index][tested]) == {name} and tested.sum() == (table["site"] == name).sum()
        assert name not in set(site[part.index][~tested])
        share = (part["role"] == "validation").sum() / (~tested).sum()
        assert 0.15 < share < 0.25 and set(part.loc[part["role"] == "validation", "y"]) == {0, 1}
        assert part.groupby("group")["role"].nunique().max() == 1
    # Its copy elsewhere is in no role.
    first, second = (set(split.loc[split["fold"] == fold, "image_id"]) for fold in (0, 1))
    assert "b/0-000" not in first and "a/0-000" in first and "a/0-000" not in second and "b/0-000" in second
    again = make_split(table.sample(frac=1, random_state=3), ("x", "y"), Division(groups="laboratory", validation=0.2))
    keys = ["fold", "image_id"]
    pd.testing.assert_frame_equal(*(one.sort_values(keys, ignore_index=True) for one in (split, again)))


def test_laboratories_that_cannot_be_left_out_are_told():
    with pytest.raises(LeukoFlowError, match=r"all images are of one laboratory, 'a'; it takes two"):
        make_split(laboratories({"a": (9, 9)}), ("x", "y"), Division(groups="laboratory"))
    with pytest.raises(LeukoFlowError, match=r"without laboratory 'a' no image of class 'y' is left to train on"):
        make_split(laboratories({"a": (9, 9), "b": (9, 0)}), ("x", "y"), Division(groups="laboratory"))
    with pytest.raises(LeukoFlowError, match=r"without laboratory 'a': class 'y' has 1 groups"):
        make_split(laboratories({"a": (9, 9), "b": (9, 1)}), ("x", "y"), Division(groups="laboratory"))
    nameless = laboratories({"a": (9, 9), "b": (9, 9)}).assign(site=None)
    with pytest.raises(LeukoFlowError, match=r"36 of 36 images have no laboratory \(the first: a/0-000\)"):
        make_split(nameless, ("x", "y"), Division(groups="laboratory"))
