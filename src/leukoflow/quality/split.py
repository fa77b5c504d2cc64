"""Division of a cohort into training, validation and test roles: stratified by class, and grouped.

A group is what must stay together: an image alone under protocol `image`, otherwise near-duplicates, acquisition
clusters or patients, the latter two joined with the near-duplicates.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from leukoflow.config.splits import Protocol, Splits
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import generator

ROLES = ("train", "validation", "test")


def labelled(manifest: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The manifest's images that take part in a task, with y (class index) and label (class name)."""
    labels = manifest["label"].astype(object).where(manifest["label"].notna(), None)
    index = {label: task.class_of(label) for label in labels.unique()}
    table = manifest.assign(y=labels.map(index)).dropna(subset=["y"])
    table["y"] = table["y"].astype(np.int64)
    table["label"] = [task.classes[y] for y in table["y"]]
    return table.reset_index(drop=True)


def group_names(table: pd.DataFrame, protocol: Protocol) -> np.ndarray:
    """The group of each image under a protocol, object [n].

    table: image_id, and duplicate_group, acquisition or patient as the protocol needs. Under `acquisition` and
    `patient` whatever is linked by either kind of group is one group, named by the first of its clusters or patients.
    Raises LeukoFlowError where an image's group is unknown.
    """
    if protocol == "image":
        return table["image_id"].to_numpy(object)
    for column in {"duplicate_group", protocol if protocol != "duplicate" else "duplicate_group"}:
        unknown = table["image_id"][table[column].isna()]
        if len(unknown):
            raise LeukoFlowError(
                f"protocol {protocol!r}: {len(unknown)} of {len(table)} images have no {column} "
                f"(the first is {unknown.iloc[0]}); name it in the cohort's table or use another protocol"
            )
    if protocol == "duplicate":
        return table["duplicate_group"].to_numpy(object)
    first, names = pd.factorize(table[protocol], sort=True)
    second, others = pd.factorize(table["duplicate_group"])
    nodes = len(names) + len(others)
    links = coo_array((np.ones(len(table)), (first, len(names) + second)), shape=(nodes, nodes))
    _, component = connected_components(links, directed=False)
    component = component[: len(names)]
    _, representative = np.unique(component, return_index=True)
    return np.asarray(names, object)[representative[component[first]]]


def make_split(table: pd.DataFrame, classes: Sequence[str], protocol: Protocol, splits: Splits) -> pd.DataFrame:
    """Divide images into roles, once for a hold-out (`folds` = 1), else so that each is tested in one of the folds.

    table: image_id, y (index into `classes`), and the columns that the protocol groups by. Returns image_id, y, label,
    group, fold (from 0), role, in the table's order within each fold. The same table (in any order), protocol and
    seed give the same roles. Each class is in each role; LeukoFlowError where it has too few groups for that.
    """
    table = table.reset_index(drop=True).sort_values("image_id", kind="stable")
    repeated = table["image_id"][table["image_id"].duplicated()]
    if len(repeated):
        raise LeukoFlowError(f"{repeated.iloc[0]}: twice in the manifest; rerun the manifest")
    names = group_names(table, protocol)
    group, _ = pd.factorize(names, sort=True)
    y = table["y"].to_numpy(np.int64)
    counts = np.zeros((group.max(initial=-1) + 1, len(classes)), np.int64)
    np.add.at(counts, (group, y), 1)

    frame = pd.DataFrame({"image_id": table["image_id"], "y": y, "label": [classes[k] for k in y], "group": names})
    folds = [
        frame.assign(fold=fold, role=np.array(ROLES, object)[roles[group]]).sort_index()
        for fold, roles in enumerate(_roles(counts, classes, protocol, splits))
    ]
    return pd.concat(folds, ignore_index=True)


def _roles(counts: np.ndarray, classes: Sequence[str], protocol: Protocol, splits: Splits) -> list[np.ndarray]:
    """Role of each group (index into ROLES, int [G]) in each fold; counts: images by group and class, [G, K]."""
    need = max(len(ROLES), splits.folds) if splits.folds != 2 else 4
    available = (counts > 0).sum(axis=0)
    more = "raise quality.clusters_per_class where slides are not known, " if protocol == "acquisition" else ""

    def divide(members: np.ndarray, fractions: Sequence[float], *stream: str | int) -> np.ndarray:
        rng = generator(splits.seed, "split", protocol, *stream)
        parts = _assign(counts[members], np.array(fractions), rng)
        for label, name in enumerate(classes):
            if available[label] < need or set(parts[counts[members, label] > 0]) != set(range(len(fractions))):
                raise LeukoFlowError(
                    f"class {name!r} has {available[label]} groups under protocol {protocol!r}, which cannot be put "
                    f"into every role of every fold (at least {need} groups are needed, more where groups hold "
                    f"several classes); {more}use fewer folds or another protocol, or add images"
                )
        return parts

    everything = np.arange(len(counts))
    if splits.folds == 1:
        return [divide(everything, (1 - splits.validation - splits.test, splits.validation, splits.test), "hold-out")]
    tested = divide(everything, [1 / splits.folds] * splits.folds, "folds", splits.folds)
    share = splits.validation / (1 - 1 / splits.folds)
    folds = []
    for fold in range(splits.folds):
        roles = np.full(len(counts), ROLES.index("test"))
        members = np.flatnonzero(tested != fold)
        roles[members] = divide(members, (1 - share, share), "validation", splits.folds, fold)
        folds.append(roles)
    return folds


def _assign(counts: np.ndarray, fractions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Part of each group, int [G], such that every part holds its fraction of every class as nearly as can be.

    counts: images by group and class, [G, K]. Groups of several images go first, the largest first, each where the
    chi-squared distance to the quotas shrinks most; single images then fill the quotas up.
    """
    quotas = _quotas(counts.sum(axis=0), fractions)
    parts = np.full(len(counts), -1)
    sizes = counts.sum(axis=1)
    order = rng.permutation(len(counts))
    order = order[np.argsort(-sizes[order], kind="stable")]
    held = np.zeros(quotas.shape)
    weight = 1 / np.maximum(quotas, 1)
    for index in order[sizes[order] > 1]:
        change = ((2 * (held - quotas) + counts[index]) * counts[index] * weight).sum(axis=1)
        parts[index] = np.argmin(change)
        held[parts[index]] += counts[index]
    for label in range(counts.shape[1]):
        single = order[(sizes[order] == 1) & (counts[order, label] == 1)]
        room = np.maximum(quotas[:, label] - held[:, label], 0)
        dealt = _quotas(np.array([len(single)]), room / room.sum() if room.any() else fractions)[:, 0]
        parts[single] = np.repeat(np.arange(len(fractions)), dealt)
    _fill_empty(counts, parts, len(fractions))
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
