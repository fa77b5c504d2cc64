"""The audit: planted leaks are found, counted and named; clean splits are let through."""

from itertools import combinations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leukoflow.config.splits import Division
from leukoflow.quality.audit import EXAMPLES, Finding, audit, summary
from leukoflow.quality.split import make_split

PROTOCOLS = ["image", "duplicate", "acquisition", "patient"]
NO_PAIRS = pd.DataFrame({"image_a": [], "image_b": [], "kind": []}, dtype=object)


def images(count: int = 120, size: int = 4) -> pd.DataFrame:
    """Two classes; patients of `size` images, slides of half as many; two images in twenty are copies."""
    ids = [f"i{number:03}" for number in range(count)]
    copied = [f"d{number - number % 20 % 2 if number % 20 < 2 else number}" for number in range(count)]
    return pd.DataFrame(
        {
            "image_id": ids,
            "y": [number // size % 2 for number in range(count)],
            "sha256": [f"digest {name}" for name in copied],
            "duplicate_group": copied,
            "acquisition": [f"s{number // (size // 2)}" for number in range(count)],
            "patient": [f"p{number // size}" for number in range(count)],
        }
    )


def pairs_of(table: pd.DataFrame) -> pd.DataFrame:
    groups = table.groupby("duplicate_group")["image_id"].agg(list)
    pairs = [(*group, "near") for group in groups if len(group) == 2]
    return pd.DataFrame(pairs, columns=["image_a", "image_b", "kind"])


def by_check(findings: tuple[Finding, ...]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("folds", [1, 4])
def test_our_own_splits_keep_their_promise(protocol, folds):
    table = images()
    split = make_split(table, ("a", "b"), Division(groups=protocol, folds=folds))
    assert not any(finding.broken for finding in audit(split, table, pairs_of(table), protocol))


def leaky(column: str) -> tuple[pd.DataFrame, pd.DataFrame, str, str]:
    """A patient-wise split where one test image now shares a value of `column` with one training image."""
    table = images()
    split = make_split(table, ("a", "b"), Division(groups="patient"))
    train, test = (split.loc[split["role"] == role, "image_id"].iloc[0] for role in ("train", "test"))
    values = table.set_index("image_id")[column].astype(object)
    values[[train, test]] = "shared"
    return split, table.assign(**{column: values.to_numpy()}), train, test


@pytest.mark.parametrize("column", ["sha256", "duplicate_group", "acquisition", "patient"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_planted_leak_is_found_and_named(column, protocol):
    split, table, train, test = leaky(column)
    finding = by_check(audit(split, table, NO_PAIRS, protocol))[column]
    assert finding.count == 1 and finding.tested == {(0, test)}
    assert train in finding.examples[0] and test in finding.examples[0] and "shared" in finding.examples[0]
    promised = protocol == column or (protocol != "image" and column in ("sha256", "duplicate_group"))
    assert finding.broken == promised


@pytest.mark.parametrize("swap", [False, True])
def test_a_listed_pair_is_found_whichever_way_round(swap):
    table = images()
    split = make_split(table, ("a", "b"), Division(groups="patient"))
    train, test = (split.loc[split["role"] == role, "image_id"].iloc[0] for role in ("train", "test"))
    pair = (test, train) if swap else (train, test)
    finding = by_check(audit(split, table, pd.DataFrame([(*pair, "near")], columns=NO_PAIRS.columns), "patient"))[
        "duplicate"
    ]
    assert finding.broken and finding.count == 1 and finding.tested == {(0, test)}
    assert finding.examples[0].endswith("near")


def test_copies_with_different_classes_are_named_in_whatever_roles_they_are():
    ids = list("abcdef")
    table = pd.DataFrame({"image_id": ids})
    split = pd.DataFrame({"image_id": ids, "y": 0, "label": ["Pro", "Pre"] * 3, "group": ids, "fold": 0})
    split["role"] = ["train", "train", "train", "test", "test", "validation"]
    pairs = pd.DataFrame([("a", "b", "identical"), ("c", "d", "turned"), ("a", "e", "near")], columns=NO_PAIRS.columns)
    findings = audit(pd.concat([split, split.assign(fold=1)]), table, pairs, "image")
    finding = by_check(findings)["label"]
    assert finding.count == 2 and not finding.broken and finding.tested == {(0, "d"), (1, "d")}
    assert finding.examples == ("a (Pro) and b (Pre), identical", "c (Pro) and d (Pre), turned")
    alike = by_check(audit(split, table, pairs[2:], "image"))["label"]
    assert alike.count == 0 and not alike.examples


def test_pairs_are_counted_as_pairs():
    table = pd.DataFrame({"image_id": list("abcdefg"), "patient": ["p"] * 6 + [None]})
    roles = ["train", "train", "train", "validation", "validation", "test", "test"]
    split = pd.DataFrame({"image_id": list("abcdefg"), "y": 0, "label": "x", "group": list("abcdefg"), "fold": 0})
    finding = by_check(audit(split.assign(role=roles), table, NO_PAIRS, "patient"))["patient"]
    assert finding.count == 3 * 2 + 3 * 1 + 2 * 1
    assert finding.tested == {(0, "f")}, "images without a patient are related to none"


def test_validation_counts_too_but_not_as_training():
    table = pd.DataFrame({"image_id": ["a", "b"], "patient": ["p", "p"]})
    split = pd.DataFrame({"image_id": ["a", "b"], "y": 0, "label": "x", "group": ["a", "b"], "fold": 0})
    finding = by_check(audit(split.assign(role=["validation", "test"]), table, NO_PAIRS, "patient"))["patient"]
    assert finding.broken and finding.count == 1 and not finding.tested


def test_a_group_in_two_roles_is_found_under_every_protocol():
    table = images()
    split = make_split(table, ("a", "b"), Division(groups="patient"))
    split.loc[split["group"] == split["group"][0], "role"] = ["train", "train", "test", "train"]
    for protocol in PROTOCOLS:
        assert by_check(audit(split, table, NO_PAIRS, protocol))["group"].broken


def broken_structure(change: str, split: pd.DataFrame) -> pd.DataFrame:
    first = split["image_id"][0]
    if change == "more than once":
        return pd.concat([split, split.iloc[[0]]])
    if change == "is missing":
        return split.drop(index=0)
    if change == "not in the manifest":
        return split.replace({"image_id": {first: "stranger"}})
    if change == "role validation is missing":
        return split.replace({"role": {"validation": "train"}})
    if change == "class b is missing in role test":
        return split[(split["role"] != "test") | (split["label"] != "b")]
    if change == "is no role":
        return split.replace({"role": {"validation": "val"}})
    if change == "several labels":
        return split.assign(label=["b" if number == 0 else label for number, label in enumerate(split["label"])])
    if change == "is tested in":
        return split.assign(role=split["role"].where(split["fold"] != 1, split["role"].iloc[:120].tolist() * 3))
    return split.iloc[:0]


@pytest.mark.parametrize(
    "change",
    [
        "more than once",
        "is missing",
        "not in the manifest",
        "role validation is missing",
        "class b is missing in role test",
        "is no role",
        "several labels",
        "is tested in",
        "the split is empty",
    ],
)
def test_structural_faults_break_every_protocol(change):
    table = images()
    split = make_split(table, ("a", "b"), Division(groups="image", folds=3))
    finding = audit(broken_structure(change, split), table, NO_PAIRS, "image")[0]
    assert finding.broken and any(change in example for example in finding.examples)


def test_the_summary_counts_roles_and_touched_test_images():
    table = images()
    split = make_split(table, ("a", "b"), Division(groups="image"))
    report = summary(split, audit(split, table, pairs_of(table), "image"), "demo", "image")
    assert report["kept"] and report["images"] == 120 and report["folds"] == 1
    assert sum(row["images"] for row in report["counts"]) == 120
    roles = split.set_index("image_id")["role"]
    expected = set()
    for one, two, _ in pairs_of(table).itertuples(index=False):
        for test, other in ((one, two), (two, one)):
            if roles[test] == "test" and roles[other] == "train":
                expected.add(test)
    assert report["test_images_with_duplicate_in_training"] == len(expected)
    patients = next(finding for finding in report["findings"] if finding["check"] == "patient")
    assert patients["count"] > 0 and not patients["promised"] and len(patients["examples"]) <= EXAMPLES


@settings(max_examples=25, deadline=None)
@given(st.data())
@pytest.mark.parametrize("column", ["patient", "slide"])
def test_names_that_look_alike_are_counted_across_roles_and_break_no_promise(column, data):
    """Against a count over all pairs."""
    names = st.sampled_from(["P1", "p1", "P-01", "\u04201", "P2", "P 2", "Q", None])
    roles = st.sampled_from(["train", "validation", "test"])
    rows = data.draw(st.lists(st.tuples(names, roles), min_size=1, max_size=12))
    ids = [f"i{number:02}" for number in range(len(rows))]
    split = pd.DataFrame({"image_id": ids, "group": ids, "label": "a", "fold": 0, "role": [role for _, role in rows]})
    table = pd.DataFrame({"image_id": ids, column: [name for name, _ in rows]})
    finding = by_check(audit(split, table, NO_PAIRS, "patient"))[f"alike {column}"]
    same = {"P1": 1, "p1": 1, "P-01": 1, "\u04201": 1, "P2": 2, "P 2": 2, "Q": 3}
    pairs, tested = 0, set()
    for (one, (name, role)), (two, (other, there)) in combinations(zip(ids, rows, strict=True), 2):
        if name and other and name != other and same[name] == same[other] and role != there:
            pairs += 1
            tested |= {(0, one)} if (role, there) == ("test", "train") else set()
            tested |= {(0, two)} if (role, there) == ("train", "test") else set()
    assert (finding.count, finding.tested, finding.broken) == (pairs, tested, False)
    assert bool(finding.examples) == bool(pairs)


def test_an_example_shows_what_the_eye_does_not_see():
    split = pd.DataFrame(
        {"image_id": ["a", "b"], "group": ["a", "b"], "label": "x", "fold": 0, "role": ["train", "test"]}
    )
    table = pd.DataFrame({"image_id": ["a", "b"], "patient": ["P1", "\u04201"]})
    finding = by_check(audit(split, table, NO_PAIRS, "patient"))["alike patient"]
    assert finding.examples == ("fold 0: a (train) and b (test), patient 'P1', '\\u04201'",)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_image_moved_to_another_role_is_caught(data):
    """A patient-wise split of patients with several images breaks as soon as one image moves."""
    table = images(48)
    split = make_split(table, ("a", "b"), Division(groups="patient", folds=data.draw(st.sampled_from([1, 3]))))
    row = data.draw(st.integers(0, len(split) - 1))
    role = data.draw(st.sampled_from(sorted({"train", "validation", "test"} - {split["role"][row]})))
    split.loc[row, "role"] = role
    finding = by_check(audit(split, table, NO_PAIRS, "patient"))["patient"]
    assert finding.broken and split["image_id"][row] in " ".join(finding.examples)
