"""Find duplicates within and across the cohorts of a study, and what was acquired together."""

import logging
from pathlib import Path

from leukoflow.config.quality import Quality
from leukoflow.core.files import write_table
from leukoflow.core.step import parser, run, settings
from leukoflow.quality.comparison import Compared
from leukoflow.quality.description import Images
from leukoflow.quality.duplicates import find_duplicates, gather
from leukoflow.quality.groups import acquisition_groups, duplicate_groups
from leukoflow.quality.measure import STAIN_COLUMNS

log = logging.getLogger(__name__)
NAMED = 20
"""Pairs of copies with different labels that the log names."""


def main(argv: list[str] | None) -> None:
    """Parse the arguments, compare images, write pairs and groups."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Quality), required=True, help="section quality, as JSON")
    arguments.add_argument(
        "--cohort", nargs=3, action="append", required=True, metavar=("NAME", "FOLDER", "SHARDS"), help="each cohort"
    )
    arguments.add_argument(
        "--compared", nargs="+", type=Path, metavar="FILE", help="what `compare_images` wrote of all parts, in order"
    )
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
    groups = table[["cohort", "image_id"]].assign(
        duplicate_group=duplicate_groups(table, duplicates),
        acquisition=[name for cluster in clusters for name in cluster],
    )
    write_table(args.duplicates, duplicates)
    write_table(args.groups, groups)


if __name__ == "__main__":
    run(main)
