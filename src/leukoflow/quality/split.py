"""Division of a cohort into training, validation and test roles: stratified by class, and grouped.

A group is what must stay together: an image alone, near-duplicates, blocks of file numbers, acquisition clusters or
patients, the latter three joined with the near-duplicates. Leaks of published protocols are made here too, where a
division asks for them: an image is then in two roles of a fold.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from leukoflow.config.splits import LABORATORY, Division, Groups
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import generator

ROLES = ("train", "validation", "test")
COPIED = {"augmented_before_split": ("validation", "test"), "augmented_before_validation": ("validation",)}
"""For each leak by copies, the roles whose images have a changed copy in the training role."""
_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)


def labelled(manifest: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The manifest's images that take part in a task, with y (class index) and label (class name)."""
    labels = manifest["label"].astype(object).where(manifest["label"].notna(), None)
    index = {label: task.class_of(label) for label in labels.unique()}
    table = manifest.assign(y=labels.map(index)).dropna(subset=["y"])
    table["y"] = table["y"].astype(np.int64)
    table["label"] = [task.classes[y] for y in table["y"]]
    return table.reset_index(drop=True)


def file_blocks(image_ids: Sequence[str], block: int) -> list[str]:
    """For each image the block of its file number, named by series and first number; "" if its name has no number.

    The number is the last one of the name without its ending, and numbers 1 to `block` are the first block. Images
    whose names differ in that number alone are one series.
    """
    blocks = []
    for name in image_ids:
        match = _NUMBERED.fullmatch(name[: name.rfind(".")] if "." in name.rpartition("/")[2] else name)
        if match is None:
            blocks.append("")
            continue
        series, number, rest = match.groups()
        blocks.append(f"{series}{max(int(number) - 1, 0) // block * block + 1}{rest}")
    return blocks


def group_names(table: pd.DataFrame, groups: Groups, block: int = 25) -> np.ndarray:
    """The group of each image, object [n].

    table: image_id, and duplicate_group, acquisition, patient or site as `groups` needs. With `blocks`, `acquisition`
    and `patient` whatever is linked by either kind of group is one group, named by the first of its blocks, clusters or
    patients. Raises LeukoFlowError if an image's group is unknown.
    """
    if groups == "image":
        return table["image_id"].to_numpy(object)
    if groups == LABORATORY:
        if table["site"].isna().any():
            unknown = table.loc[table["site"].isna(), "image_id"]
            raise LeukoFlowError(
                f"{len(unknown)} of {len(table)} images have no laboratory (the first: {unknown.iloc[0]})"
            )
        return table["site"].to_numpy(object)
    if groups == "blocks":
        table = table.assign(blocks=file_blocks(table["image_id"].astype(str).to_list(), block)).replace(
            {"blocks": ""}, None
        )
    for column in {"duplicate_group", groups if groups != "duplicate" else "duplicate_group"}:
        unknown = table["image_id"][table[column].isna()]
        if len(unknown):
            what, where = (column, "name it in the cohort's table or") if column != "blocks" else ("file number", "")
            raise LeukoFlowError(
                f"groups {groups!r}: {len(unknown)} of {len(table)} images have no {what} "
                f"(the first is {unknown.iloc[0]}); {where} use another protocol".replace("  ", " ")
            )
    if groups == "duplicate":
        return table["duplicate_group"].to_numpy(object)
    first, names = pd.factorize(table[groups], sort=True)
    second, others = pd.factorize(table["duplicate_group"])
    nodes = len(names) + len(others)
    links = coo_array((np.ones(len(table)), (first, len(names) + second)), shape=(nodes, nodes))
    _, component = connected_components(links, directed=False)
    component = component[: len(names)]
    _, representative = np.unique(component, return_index=True)
    return np.asarray(names, object)[representative[component[first]]]


def make_split(table: pd.DataFrame, classes: Sequence[str], division: Division) -> pd.DataFrame:
    """Divide images into roles, once for a hold-out (`folds` = 1), else so that each is tested in one of the folds.

    By laboratory (column `site`) each is tested in the fold of its place in their order: see `_by_laboratory`.

    table: image_id, y (index into `classes`), and the columns that the division groups by (duplicate_group too where
    it drops duplicates). Returns image_id, y, label, group, fold (from 0), role, in the table's order within each fold.
    The same table (in any order), groups, shares and seed give the same roles, whatever the leaks. Each class is in
    each role; LeukoFlowError if it has too few groups for that.

    Every image is in each fold once, with these exceptions: dropped duplicates are not there; with
    `validation_as_test` the test images are in the validation role as well, and those that were to be in it are not
    there; images that are trained on as changed copies (`COPIED`) are in the training role as well.
    """
    table = table.reset_index(drop=True).sort_values("image_id", kind="stable")
    repeated = table["image_id"][table["image_id"].duplicated()]
    if len(repeated):
        raise LeukoFlowError(f"{repeated.iloc[0]}: twice in the manifest; rerun the manifest")
    if division.groups == LABORATORY:
        return _by_laboratory(table, classes, division)
    names = group_names(table, division.groups, division.block)
    group, _ = pd.factorize(names, sort=True)
    y = table["y"].to_numpy(np.int64)
    counts = np.zeros((group.max(initial=-1) + 1, len(classes)), np.int64)
    np.add.at(counts, (group, y), 1)

    frame = pd.DataFrame({"image_id": table["image_id"], "y": y, "label": [classes[k] for k in y], "group": names})
    folds = [
        frame.assign(fold=fold, role=np.array(ROLES, object)[roles[group]]).sort_index()
        for fold, roles in enumerate(_roles(counts, classes, division))
    ]
    if division.drop_duplicates:
        copies = table.set_index("image_id")["duplicate_group"]
        folds = [_without_copies(fold, copies) for fold in folds]
    return pd.concat([_leaking(fold, division) for fold in folds], ignore_index=True)


def _by_laboratory(table: pd.DataFrame, classes: Sequence[str], division: Division) -> pd.DataFrame:
    """Each laboratory tested once. The others' images are divided into training and validation with near-duplicates
    together; of these, what is a copy of a test image is in no role. Groups are those of near-duplicates.

    LeukoFlowError for fewer than two laboratories, and if those left lack a class of the task.
    """
    known = group_names(table, LABORATORY)
    laboratories = sorted(set(known))
    if len(laboratories) < 2:
        raise LeukoFlowError(f"all images are of one laboratory, {laboratories[0]!r}; it takes two or more")
    share = division.model_copy(
        update={"groups": "duplicate", "folds": 1, "test": division.validation, "validation": 0}
    )
    folds = []
    for fold, laboratory in enumerate(laboratories):
        tested = known == laboratory
        test, rest = table[tested], table[~tested]
        rest = rest[~rest["duplicate_group"].isin(set(test["duplicate_group"]))]
        lacking = sorted(set(range(len(classes))) - set(rest["y"]))
        if lacking:
            raise LeukoFlowError(
                f"without laboratory {laboratory!r} no image of class {classes[lacking[0]]!r} is left to train on; "
                "leave the class out of the task, or join another laboratory that has it"
            )
        try:
            made = make_split(rest, classes, share.model_copy(update={"seed": division.seed + fold}))
        except LeukoFlowError as error:
            raise LeukoFlowError(f"without laboratory {laboratory!r}: {error}") from error
        made = made.assign(role=made["role"].replace("test", "validation"))
        held = test[["image_id", "y"]].assign(
            label=[classes[k] for k in test["y"]], group=test["duplicate_group"], role="test"
        )
        folds.append(pd.concat([made, held], ignore_index=True).assign(fold=fold))
    return pd.concat(folds, ignore_index=True)[["image_id", "y", "label", "group", "fold", "role"]]


def _without_copies(split: pd.DataFrame, groups: pd.Series) -> pd.DataFrame:
    """One fold without training images that are duplicates of a held-out image, or of another training image but the
    first by name; `groups`: the duplicate group of each image."""
    group = split["image_id"].map(groups)
    learnt = split["role"] == "train"
    first = split[learnt].assign(group=group).sort_values("image_id").drop_duplicates("group")["image_id"]
    kept = split["image_id"].isin(first) & ~group.isin(set(group[~learnt]))
    return split[~learnt | kept]


def _leaking(split: pd.DataFrame, division: Division) -> pd.DataFrame:
    """One fold with the leaks that are images in two roles."""
    if "validation_as_test" in division.leaks:
        split = split[split["role"] != "validation"]
        split = pd.concat([split, split[split["role"] == "test"].assign(role="validation")])
    roles = {role for leak in division.leaks for role in COPIED.get(leak, ())}
    copies = split[split["role"].isin(roles)].drop_duplicates("image_id").assign(role="train")
    return pd.concat([split, copies])


def _roles(counts: np.ndarray, classes: Sequence[str], division: Division) -> list[np.ndarray]:
    """Role of each group (index into ROLES, int [G]) in each fold; counts: images by group and class, [G, K]."""
    groups, splits = division.groups, division
    need = max(len(ROLES) - (not splits.validation), splits.folds) if splits.folds != 2 else 4
    available = (counts > 0).sum(axis=0)
    more = "raise quality.clusters_per_class where slides are not known, " if groups == "acquisition" else ""
    if not division.stratified:
        more += "or divide stratified by class, "

    def divide(members: np.ndarray, fractions: Sequence[float], *stream: str | int) -> np.ndarray:
        rng = generator(splits.seed, "split", groups, *stream)
        sizes = counts[members] if division.stratified else counts[members].sum(axis=1, keepdims=True)
        parts = _assign(sizes, _wanted(sizes, np.array(fractions), division), rng)
        for label, name in enumerate(classes):
            if available[label] < need or set(parts[counts[members, label] > 0]) != set(range(len(fractions))):
                raise LeukoFlowError(
                    f"class {name!r} has {available[label]} groups by {groups!r}, which cannot be put "
                    f"into every role of every fold (at least {need} groups are needed, more where groups hold "
                    f"several classes); {more}use fewer folds or another protocol, or add images"
                )
        return parts

    everything = np.arange(len(counts))
    if splits.folds == 1 and not splits.validation:
        parts = divide(everything, (1 - splits.test, splits.test), "hold-out")
        return [np.where(parts == 1, ROLES.index("test"), ROLES.index("train"))]
    if splits.folds == 1:
        return [divide(everything, (1 - splits.validation - splits.test, splits.validation, splits.test), "hold-out")]
    tested = divide(everything, [1 / splits.folds] * splits.folds, "folds", splits.folds)
    share = splits.validation / (1 - 1 / splits.folds)
    folds = []
    for fold in range(splits.folds):
        roles = np.full(len(counts), ROLES.index("test"))
        members = np.flatnonzero(tested != fold)
        roles[members] = 0 if not share else divide(members, (1 - share, share), "validation", splits.folds, fold)
        folds.append(roles)
    return folds


def _wanted(counts: np.ndarray, fractions: np.ndarray, division: Division) -> np.ndarray:
    """Images of each class in each part, whole numbers [P, K]; the test images are the last part."""
    totals = counts.sum(axis=0)
    if division.test_images is None:
        return _quotas(totals, fractions)
    number = division.test_images
    if (totals - number < len(fractions) - 1).any():
        raise LeukoFlowError(
            f"test_images: a class has {totals.min()} images, too few for {number} of them to be tested; "
            "lower this number, or use another protocol"
        )
    validation = [1 - division.validation, division.validation][: len(fractions) - 1]
    return np.concatenate([_quotas(totals - number, np.array(validation)), np.full((1, len(totals)), number)])


def _assign(counts: np.ndarray, quotas: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Part of each group, int [G], such that every part holds its quota of every class as nearly as can be.

    counts: images by group and class, [G, K]; quotas [P, K]. Groups of several images go first, the largest
    first, each where the chi-squared distance to the quotas shrinks most; single images then fill the quotas up.
    """
    parts = np.full(len(counts), -1)
    sizes = counts.sum(axis=1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros(quotas.shape)
    weight = 1 / np.maximum(quotas, 1)
    whole = quotas.sum(axis=1) / quotas.sum()
    for index in order[sizes[order] > 1]:
        change = ((2 * (held - quotas) + counts[index]) * counts[index] * weight).sum(axis=1)
        parts[index] = np.argmin(change)
        held[parts[index]] += counts[index]
    for label in range(counts.shape[1]):
        single = order[(sizes[order] == 1) & (counts[order, label] == 1)]
        room = np.maximum(quotas[:, label] - held[:, label], 0)
        dealt = _quotas(np.array([len(single)]), room / room.sum() if room.any() else whole)[:, 0]
        parts[single] = np.repeat(np.arange(len(quotas)), dealt)
    _fill_empty(counts, parts, len(quotas))
    return parts


def _quotas(totals: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Whole numbers [P, K], column sums `totals` [K], in these fractions [P]; row sums are rounded fractions too.

    The last part is dealt first and the first takes what is left; within a part, largest remainders win.
    """
    left = totals.astype(np.int64)
    quotas = np.zeros((len(fractions), len(totals)), np.int64)
    rows = np.floor(totals.sum() * fractions + 0.5).astype(np.int64)
    for part in range(len(fractions) - 1, 0, -1):
        exact = left * (min(rows[part], left.sum()) / max(left.sum(), 1))
        quota = np.floor(exact + 1e-9).astype(np.int64)
        rest = round(exact.sum()) - quota.sum()
        quota[np.argsort(quota - exact, kind="stable")[:rest]] += 1
        quotas[part] = quota
        left = left - quota
    quotas[0] = left
    return quotas


def _fill_empty(counts: np.ndarray, parts: np.ndarray, number: int) -> None:
    """Where a part lacks a class, move in the smallest group of it that its own part can spare; `parts` is changed."""
    for label in np.argsort((counts > 0).sum(axis=0), kind="stable"):
        members = np.flatnonzero(counts[:, label])
        for part in range(number):
            if (parts[members] == part).any():
                continue
            for index in members[np.argsort(counts[members].sum(axis=1), kind="stable")]:
                rest = counts[(parts == parts[index])].sum(axis=0) - counts[index]
                if (rest[counts[index] > 0] > 0).all():
                    parts[index] = part
                    break
