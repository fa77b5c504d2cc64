"""Find duplicates within and across the cohorts of a study, and what was acquired together."""

import argparse
import logging
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.config.quality import Quality
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_table
from leukoflow.core.step import parser, run, settings
from leukoflow.features.matrix import open_matrix
from leukoflow.quality.comparison import Compared
from leukoflow.quality.description import Images, add_cohorts
from leukoflow.quality.duplicates import find_duplicates, gather
from leukoflow.quality.groups import acquisition_groups, duplicate_groups, linked_pairs
from leukoflow.quality.measure import STAIN_COLUMNS
from leukoflow.quality.pool import pooled_groups, pooled_pairs

log = logging.getLogger(__name__)
NAMED = 20
"""Pairs of copies with different labels that the log names."""


def main(argv: list[str] | None) -> None:
    """Parse the arguments, compare images, write pairs and groups."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Quality), required=True, help="section quality, as JSON")
    add_cohorts(arguments)
    arguments.add_argument(
        "--features", nargs="*", type=Path, default=[], help="matrix.json of every cohort, for links by features"
    )
    arguments.add_argument(
        "--compared", nargs="+", type=Path, metavar="FILE", help="what `compare_images` wrote of all parts, in order"
    )
    arguments.add_argument(
        "--pool", nargs="+", action="append", default=[], metavar=("POOL", "COHORT"),
        help="a pooled cohort and those that it joins: its pairs and groups are theirs",
    )  # fmt: skip
    arguments.add_argument("--duplicates", type=Path, required=True)
    arguments.add_argument("--groups", type=Path, required=True)
    args = arguments.parse_args(argv)
    images = Images.read(args.cohort, STAIN_COLUMNS)
    if args.compared:
        duplicates = gather(images, Compared.load(args.compared), args.settings)
    else:
        duplicates = find_duplicates(images, args.settings)
    for kind, count in duplicates["kind"].value_counts().items():
        log.info("%d pairs %s", count, kind)
    contrary = duplicates[duplicates["labels_differ"]]
    for row in contrary.head(NAMED).itertuples():
        log.warning(
            "copies with different labels (%s): %s/%s is %s, %s/%s is %s",
            *(row.kind, row.cohort_a, row.image_a, row.label_a, row.cohort_b, row.image_b, row.label_b),
        )
    if len(contrary):
        log.warning(
            "%d pairs of copies have different labels; correct the labels or leave the files out", len(contrary)
        )
    table = images.table
    cohorts = [table[table["cohort"] == name].reset_index(drop=True) for name, _, _ in args.cohort]
    clusters = [acquisition_groups(cohort, STAIN_COLUMNS, args.settings.clusters_per_class) for cohort in cohorts]
    links = _links(table, args)
    groups = table[["cohort", "image_id"]].assign(
        duplicate_group=duplicate_groups(table, pd.concat([duplicates, links]) if len(links) else duplicates),
        acquisition=[name for cluster in clusters for name in cluster],
        linked=np.bincount(links[["first", "second"]].to_numpy().ravel(), minlength=len(table)),
    )
    if args.settings.deep:
        log.info(
            "%d pairs linked by features; the largest group has %d images",
            *(len(links), groups["duplicate_group"].value_counts().max()),
        )
    pools = {pool: names for pool, *names in args.pool}
    write_table(args.duplicates, pd.concat([duplicates, pooled_pairs(duplicates, pools)], ignore_index=True))
    write_table(args.groups, pd.concat([groups, pooled_groups(groups, pools)], ignore_index=True))


def _links(table: pd.DataFrame, args: argparse.Namespace) -> pd.DataFrame:
    """Pairs that are alike in features: places `first` and `second`, and cohort and image of each as of duplicates."""
    pairs = np.empty((0, 2), np.int64)
    if deep := args.settings.deep:
        if len(args.features) != len(args.cohort):
            raise LeukoFlowError(f"{len(args.features)} feature files for {len(args.cohort)} cohorts; name each one's")
        parts = []
        for (name, *_), file in zip(args.cohort, args.features, strict=True):
            matrix, _ = open_matrix(file)
            parts.append(matrix.gather(matrix.rows_of(table.loc[table["cohort"] == name, "image_id"])))
        pairs = linked_pairs(np.concatenate(parts), deep.similarity)
    links = pd.DataFrame({"first": pairs[:, 0], "second": pairs[:, 1]})
    for side, rows in (("a", pairs[:, 0]), ("b", pairs[:, 1])):
        links[f"cohort_{side}"] = table["cohort"].to_numpy()[rows]
        links[f"image_{side}"] = table["image_id"].to_numpy()[rows]
    return links


if __name__ == "__main__":
    run(main)
