"""What a split lets slip from one role into another, and whether its protocol had promised otherwise.

Nothing is taken from the code that made the split: images are compared by their bytes, the duplicate pairs, the
clusters and the patients themselves.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pandas as pd

from leukoflow.config.protocols import groups_of, is_leaky
from leukoflow.config.splits import LABORATORY, Groups
from leukoflow.core.names import alike, told_apart
from leukoflow.quality.split import ROLES

EXAMPLES = 50
"""Most pairs or faults named in a report, for each check."""
_GROUPED: tuple[Groups, ...] = ("duplicate", "blocks", "acquisition", "patient", LABORATORY)
_PROMISED: dict[str, tuple[Groups, ...]] = {
    "group": ("image", *_GROUPED),
    "sha256": _GROUPED,
    "duplicate_group": _GROUPED,
    "duplicate": _GROUPED,
    "acquisition": ("acquisition",),
    "patient": ("patient",),
    "site": (LABORATORY,),
}
"""For each way in which two images may be related, what is kept together by protocols that promise that such images are
in one role. A protocol with leaks promises nothing but that every image has one label and every class every role."""
_NAMED = ("patient", "slide")
"""Columns whose values are looked at for names that look alike."""
LABELS = "label"
"""The check for copies that have different classes, in whatever roles: no protocol promises that there are none."""
_DUPLICATES = ("sha256", "duplicate_group", "duplicate")


@dataclass(frozen=True)
class Finding:
    """Outcome of one check."""

    check: str
    """What was looked for: `structure`, `label` (copies of different classes), or what related images share (a column,
    `duplicate` for listed pairs, or `alike patient` and `alike slide` for different names that are probably meant to be
    one)."""
    promised: bool
    """Whether the protocol promises that nothing is found."""
    count: int
    """Pairs of related images in two roles of one fold, summed over folds; under `structure`, faults; under `label`,
    pairs."""
    tested: frozenset[tuple[int, str]]
    """Test images related to a training image of their fold: fold and image_id."""
    examples: tuple[str, ...]
    """The first pairs or faults, in words."""

    @property
    def test_images(self) -> int:
        """Number of test images related to a training image of their fold, summed over folds."""
        return len(self.tested)

    @property
    def broken(self) -> bool:
        """Whether a promise is broken."""
        return self.promised and self.count > 0


def audit(
    split: pd.DataFrame, images: pd.DataFrame, duplicates: pd.DataFrame, protocol: str, dropped: bool = False
) -> tuple[Finding, ...]:
    """Check one split; `dropped` says that its protocol removes duplicates from training.

    split: image_id, y, label, group, fold, role. images: one row for each image of the cohort: image_id, and any of
    sha256, duplicate_group, acquisition, patient, slide, site (nullable; images with null are related to none).
    duplicates: image_a, image_b, kind, pairs within the cohort.
    """
    known = [column for column in _PROMISED if column in images.columns and column != "group"]
    named = [column for column in _NAMED if column in images.columns]
    placed = split[["image_id", "group", "fold", "role"]].merge(
        images[["image_id", *dict.fromkeys([*known, *named])]].drop_duplicates("image_id"), on="image_id", how="left"
    )
    # A laboratory may lack a class, and those that are trained on are validated on.
    may_lack = ("test",) if groups_of(protocol) == LABORATORY else ()
    findings = [_structure(split, images, is_leaky(protocol), dropped, may_lack)]
    findings += [_shared(placed, column, protocol) for column in ("group", *known) if column != "site"]
    if "site" in known:
        findings.append(_shared(placed.replace({"role": {"validation": "train"}}), "site", protocol))
    findings.append(_listed(placed, duplicates, protocol))
    findings.append(_contrary(split, duplicates))
    findings += [_alike(placed, column) for column in named]
    return tuple(findings)


def summary(split: pd.DataFrame, findings: tuple[Finding, ...], cohort: str, protocol: str) -> dict[str, Any]:
    """The report as plain values for JSON: sizes of roles, and every finding."""
    sizes = split.groupby(["fold", "role", "label"], sort=True)
    counts = sizes.agg(images=("image_id", "size"), groups=("group", "nunique")).reset_index()
    copied: set[tuple[int, str]] = set()
    for finding in findings:
        if finding.check in _DUPLICATES:
            copied |= finding.tested
    return {
        "cohort": cohort,
        "protocol": protocol,
        "kept": not any(finding.broken for finding in findings),
        "images": int(split["image_id"].nunique()),
        "groups": int(split["group"].nunique()),
        "folds": int(split["fold"].nunique()),
        "test_images": int((split["role"] == "test").sum()),
        "test_images_with_duplicate_in_training": len(copied),
        "findings": [
            {
                "check": finding.check,
                "promised": finding.promised,
                "broken": finding.broken,
                "count": finding.count,
                "test_images": finding.test_images,
                "examples": list(finding.examples),
            }
            for finding in findings
        ],
        "counts": counts.to_dict("records"),
    }


def _shared(placed: pd.DataFrame, column: str, protocol: str) -> Finding:
    """Images of one fold that share a value of `column` but not a role."""
    table = placed.dropna(subset=[column])
    keys = ["fold", column]
    roles = table.groupby(keys)["role"].transform("nunique")
    crossing = table[roles > 1]
    by_role = crossing.groupby([*keys, "role"]).size()
    totals = by_role.groupby(level=[0, 1]).sum()
    pairs = (int((totals**2).sum()) - int((by_role**2).sum())) // 2
    trained = crossing[crossing["role"] == "train"].groupby(keys).size()
    tests = crossing[crossing["role"] == "test"]
    tests = tests[tests.set_index(keys).index.isin(trained.index)]
    return Finding(
        check=column,
        promised=_promises(protocol, column),
        count=pairs,
        tested=frozenset(zip(tests["fold"], tests["image_id"], strict=True)),
        examples=tuple(_examples(crossing, column)),
    )


def _examples(crossing: pd.DataFrame, column: str) -> Iterator[str]:
    """For each shared value, the first image of its first role with the first image of each other role."""
    firsts = crossing.sort_values(["fold", column, "image_id"]).drop_duplicates(["fold", column, "role"])
    for number, (_, rows) in enumerate(firsts.groupby(["fold", column], sort=True)):
        if number == EXAMPLES:
            return
        one, two = rows.iloc[0], rows.iloc[1]
        yield _pair(one["fold"], one["image_id"], one["role"], two["image_id"], two["role"], f"{column} {one[column]}")


def _pair(fold: int, one: str, role_one: str, two: str, role_two: str, why: str) -> str:
    return f"fold {fold}: {one} ({role_one}) and {two} ({role_two}), {why}"


def _alike(placed: pd.DataFrame, column: str) -> Finding:
    """Images of one fold in two roles whose names in `column` differ but look alike; no protocol keeps them together,
    as they may be two."""
    groups = alike(placed[column].dropna().unique())
    group_of = {name: number for number, names in enumerate(groups) for name in names}
    rows = placed[placed[column].isin(group_of)]
    rows = rows.assign(alike=rows[column].map(group_of).astype("int64")).sort_values(["fold", "alike", "image_id"])
    count, tested, examples = 0, set[tuple[int, str]](), list[str]()
    for _, part in rows.groupby(["fold", "alike"]):
        fold, number = (int(part[name].iloc[0]) for name in ("fold", "alike"))
        sizes = part.groupby(["role", column]).size().unstack(fill_value=0).to_numpy(int)
        # Pairs that share neither role nor name.
        same = int((sizes.sum(1) ** 2).sum()) + int((sizes.sum(0) ** 2).sum()) - int((sizes**2).sum())
        pairs = (int(sizes.sum()) ** 2 - same) // 2
        if not pairs:
            continue
        count += pairs
        learnt = set(part.loc[part["role"] == "train", column])
        tests = part[part["role"] == "test"]
        tested |= {
            (fold, image) for name, image in zip(tests[column], tests["image_id"], strict=True) if learnt - {name}
        }
        if len(examples) < EXAMPLES:
            firsts = part.drop_duplicates(["role", column])[["image_id", "role", column]].to_numpy().tolist()
            one, two = next((a, b) for a, b in combinations(firsts, 2) if a[1] != b[1] and a[2] != b[2])
            names = told_apart(groups[number])
            examples.append(_pair(fold, one[0], one[1], two[0], two[1], f"{column} {names}"))
    return Finding(f"alike {column}", False, count, frozenset(tested), tuple(examples))


def _listed(placed: pd.DataFrame, duplicates: pd.DataFrame, protocol: str) -> Finding:
    """Listed pairs of identical or nearly identical images in two roles of one fold."""
    roles = placed[["image_id", "fold", "role"]]
    pairs = duplicates[["image_a", "image_b", "kind"]]
    pairs = pairs.merge(roles.rename(columns={"image_id": "image_a"}), on="image_a")
    pairs = pairs.merge(
        roles.rename(columns={"image_id": "image_b"}), on=["image_b", "fold"], suffixes=("_a", "_b")
    ).sort_values(["fold", "image_a", "image_b"])
    pairs = pairs[pairs["role_a"] != pairs["role_b"]]
    tested: set[tuple[int, str]] = set()
    for one, two in ("ab", "ba"):
        touched = pairs[(pairs[f"role_{one}"] == "test") & (pairs[f"role_{two}"] == "train")]
        tested |= set(zip(touched["fold"], touched[f"image_{one}"], strict=True))
    named = pairs.head(EXAMPLES)[["fold", "image_a", "role_a", "image_b", "role_b", "kind"]]
    examples = tuple(_pair(*row) for row in named.itertuples(index=False, name=None))
    return Finding("duplicate", _promises(protocol, "duplicate"), len(pairs), frozenset(tested), examples)


def _contrary(split: pd.DataFrame, duplicates: pd.DataFrame) -> Finding:
    """Listed pairs whose two images have different classes: one of the labels is wrong, in whatever roles they are."""
    known = split[["image_id", "fold", "role", "label"]]
    pairs = duplicates[["image_a", "image_b", "kind"]]
    pairs = pairs.merge(known.rename(columns={"image_id": "image_a"}), on="image_a")
    pairs = pairs.merge(known.rename(columns={"image_id": "image_b"}), on=["image_b", "fold"], suffixes=("_a", "_b"))
    pairs = pairs[pairs["label_a"] != pairs["label_b"]].sort_values(["image_a", "image_b", "fold"])
    tested: set[tuple[int, str]] = set()
    for one, two in ("ab", "ba"):
        touched = pairs[(pairs[f"role_{one}"] == "test") & (pairs[f"role_{two}"] == "train")]
        tested |= set(zip(touched["fold"], touched[f"image_{one}"], strict=True))
    once = pairs.drop_duplicates(["image_a", "image_b"])
    examples = tuple(
        f"{row.image_a} ({row.label_a}) and {row.image_b} ({row.label_b}), {row.kind}"
        for row in once.head(EXAMPLES).itertuples()
    )
    return Finding(LABELS, False, len(once), frozenset(tested), examples)


def _promises(protocol: str, column: str) -> bool:
    return not is_leaky(protocol) and groups_of(protocol) in _PROMISED[column]


def _structure(
    split: pd.DataFrame, images: pd.DataFrame, leaky: bool, dropped: bool, may_lack: Collection[str]
) -> Finding:
    """Every image once in every fold, tested once over several folds, all classes in all roles, one label an image.

    With leaks an image may be in several roles of a fold or in none; if copies are dropped it may be missing from a
    fold that has a copy of it. Roles of `may_lack` need not have every class.
    """
    faults = list(_structural_faults(split, images, leaky, dropped, may_lack))
    return Finding("structure", True, len(faults), frozenset(), tuple(faults[:EXAMPLES]))


def _structural_faults(
    split: pd.DataFrame, images: pd.DataFrame, leaky: bool, dropped: bool, may_lack: Collection[str]
) -> Iterator[str]:
    if split.empty:
        yield "the split is empty"
        return
    for image in sorted(set(split["image_id"]) - set(images["image_id"])):
        yield f"{image} is not in the manifest"
    for image, labels in split.groupby("image_id")["label"].nunique().items():
        if labels > 1:
            yield f"{image} has several labels"
    folds = sorted(split["fold"].unique())
    once = ["image_id", "role"] if leaky else ["image_id"]
    copies = images.set_index("image_id")["duplicate_group"].dropna().to_dict() if dropped else {}
    for fold in folds:
        part = split[split["fold"] == fold]
        for image in part.loc[part.duplicated(once), "image_id"].unique():
            yield f"fold {fold}: {image} is there more than once"
        there = {copies.get(image) for image in part["image_id"]} - {None}
        for image in sorted(set() if leaky else set(split["image_id"]) - set(part["image_id"])):
            if copies.get(image) not in there:
                yield f"fold {fold}: {image} is missing"
        for role in sorted(set(part["role"]) - set(ROLES)):
            yield f"fold {fold}: {role} is no role"
        for role in ROLES:
            if role not in set(part["role"]):
                yield f"fold {fold}: role {role} is missing"
                continue
            if role in may_lack:
                continue
            for label in sorted(set(split["label"]) - set(part.loc[part["role"] == role, "label"])):
                yield f"fold {fold}: class {label} is missing in role {role}"
    if len(folds) > 1:
        times = (split["role"] == "test").groupby(split["image_id"]).sum()
        for image, number in times[times != 1].items():
            yield f"{image} is tested in {number} of {len(folds)} folds, not in one"
