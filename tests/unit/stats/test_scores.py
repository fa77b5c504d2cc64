import numpy as np
import pandas as pd
import pytest

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import parse_run
from leukoflow.stats.scores import Sample, collapsed, confusion, samples, score, seen_images

RUN = parse_run("home.kind.plain.image.net.fold1.seed3")
CLASSES = ("a", "b")


def predictions(cohort: str, role: str, ids: list[str], y: list[int], right: list[bool]) -> pd.DataFrame:
    guess = [label if hit else 1 - label for label, hit in zip(np.maximum(y, 0), right, strict=True)]
    shares = list(np.where(np.eye(2)[guess] > 0, 0.9, 0.1).astype(np.float32))
    table = pd.DataFrame(
        {"cohort": cohort, "image_id": ids, "group": ids, "role": role, "y": y, "probabilities": shares}
    )
    return table.assign(perturbation="none", fold=1, seed=3)


@pytest.fixture
def tables():
    table = pd.concat(
        [
            predictions("home", "test", ["t0", "t1", "t2"], [0, 1, 1], [True, True, False]),
            predictions("home", "validation", ["v0", "v1"], [0, 1], [True, True]),
            predictions("away", "external", ["x0", "x1", "x2", "x3"], [0, 1, 1, -1], [True, True, False, True]),
            predictions("home", "test", ["t0"], [0], [False]).assign(perturbation="darker"),
        ],
        ignore_index=True,
    )
    split = pd.DataFrame(
        {
            "image_id": ["n0", "n1", "v0", "v1", "t0", "t1", "t2"] * 2,
            "role": ["train"] * 2 + ["validation"] * 2 + ["test"] * 3 + ["test"] * 2 + ["train"] * 5,
            "fold": [1] * 7 + [0] * 7,
        }
    )
    pairs = [
        ("away", "x0", "home", "n0"),
        ("home", "v1", "away", "x3"),
        ("away", "x2", "home", "t0"),
        ("home", "n1", "home", "t1"),
    ]
    duplicates = pd.DataFrame(pairs, columns=["cohort_a", "image_a", "cohort_b", "image_b"])
    return table, split, duplicates


def test_joined_classes_add_their_probabilities() -> None:
    y = np.array([0, 1, 2, 1])
    p = np.array([[0.4, 0.3, 0.3], [0.1, 0.5, 0.4], [0.2, 0.7, 0.1], [0.9, 0.1, 0.0]])
    sample = Sample("home", "test", y, np.arange(4), p)
    joined = collapsed(sample, (1, 0, 0), 2)
    np.testing.assert_allclose(joined.probabilities, np.stack([p[:, 1] + p[:, 2], p[:, 0]], 1))
    assert joined.y.tolist() == [1, 0, 0, 0]
    table = score(joined, ("malignant", "benign"), Evaluation(resamples=100))
    accuracy = table[(table["metric"] == "accuracy") & (table["resampling"] == "wilson")]["value"].item()
    assert accuracy == 0.5  # the first is taken for the larger of two parts, the last is wrong anyway


def test_only_duplicates_of_learnt_images_in_this_fold_count_as_seen(tables):
    _, split, duplicates = tables
    fold = split[split["fold"] == 1]
    assert seen_images(duplicates, fold, "home", "away") == {"x0", "x3"}
    assert seen_images(duplicates, fold, "home", "home") == {"t1"}


def test_samples_split_by_role_and_drop_what_was_seen(tables):
    by_subset = {(part.target, part.role, part.subset): part for part in samples(RUN, *tables, CLASSES)}
    sizes = {key: (len(part.y), part.unlabelled, part.removed) for key, part in by_subset.items()}
    assert sizes == {
        ("home", "validation", "all"): (2, 0, 0),
        ("home", "test", "all"): (3, 0, 0),
        ("home", "test", "without overlap"): (2, 0, 1),
        ("away", "external", "all"): (3, 1, 0),
        ("away", "external", "without overlap"): (2, 0, 2),
    }


def test_scores_hold_value_interval_and_counts(tables):
    part = next(part for part in samples(RUN, *tables, CLASSES) if part.role == "external" and part.subset == "all")
    table = score(part, CLASSES, Evaluation(resamples=100))
    accuracy = table[(table["metric"] == "accuracy")].set_index("resampling")
    assert list(accuracy.index) == ["images", "groups", "wilson"]
    assert accuracy["value"].tolist() == pytest.approx([2 / 3] * 3)
    assert (accuracy["low"] < 2 / 3).all() and (accuracy["high"] > 2 / 3).all()
    counts = table[table["resampling"] == ""].set_index(["metric", "class"])["value"].to_dict()
    assert counts == {
        ("images", ""): 3,
        ("images", "a"): 1,
        ("images", "b"): 2,
        ("unlabelled", ""): 1,
        ("removed", ""): 0,
    }
    assert set(table["n"]) == {3} and set(table["groups"]) == {3}


def test_nothing_left_is_counted_and_undefined(tables):
    table, split, duplicates = tables
    whole = pd.concat(
        [duplicates, pd.DataFrame([("away", f"x{k}", "home", "n0") for k in range(4)], columns=duplicates.columns)]
    )
    part = [sample for sample in samples(RUN, table, split, whole, CLASSES) if sample.role == "external"][1]
    scores = score(part, CLASSES, Evaluation(resamples=100))
    assert scores.loc[scores["resampling"] != "", ["value", "low", "high"]].isna().all().all()
    assert scores.set_index(["metric", "class"]).loc[("removed", ""), "value"] == 4


def test_confusion_counts_every_pair_of_classes(tables):
    part = next(part for part in samples(RUN, *tables, CLASSES) if part.role == "test")
    table = confusion(part, CLASSES)
    assert list(zip(table["true"], table["predicted"], table["count"], strict=True)) == [
        ("a", "a", 1),
        ("a", "b", 0),
        ("b", "a", 1),
        ("b", "b", 1),
    ]


def test_other_classes_than_the_models_are_named(tables):
    with pytest.raises(LeukoFlowError, match=r"2 probabilities an image.* 3 classes"):
        list(samples(RUN, *tables, ("a", "b", "c")))
