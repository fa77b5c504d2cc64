"""Divide a cohort's labelled images into training, validation and test roles."""

import logging
from typing import get_args

from leukoflow.config.base import Section
from leukoflow.config.splits import Protocol, Splits
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.step import parser, run, settings
from leukoflow.quality.split import labelled, make_split

log = logging.getLogger("leukoflow")


class Division(Section):
    """What the step depends on."""

    task: Task
    """The task, whose classes are balanced."""
    splits: Splits
    """Fractions, folds and seed."""


def main(argv: list[str] | None) -> int | None:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Division), required=True, help="task and splits, as JSON")
    arguments.add_argument("--protocol", choices=get_args(Protocol), required=True)
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--manifest", required=True)
    arguments.add_argument("--groups", required=True)
    arguments.add_argument("--output", required=True)
    options = arguments.parse_args(argv)

    task, splits = options.settings.task, options.settings.splits
    manifest = read_table(options.manifest, ["image_id", "label", "patient"])
    images = labelled(manifest, task)
    if len(images) < len(manifest):
        log.info("%d of %d images have a label that takes no part", len(manifest) - len(images), len(manifest))
    groups = read_table(options.groups)
    groups = groups.loc[groups["cohort"] == options.cohort, ["image_id", "duplicate_group", "acquisition"]]
    table = images.merge(groups, on="image_id", how="left", validate="one_to_one")
    if table["duplicate_group"].isna().any():
        name = table["image_id"][table["duplicate_group"].isna()].iloc[0]
        raise LeukoFlowError(f"{options.groups}: has no group for {name} of {options.cohort}; delete it and run again")
    try:
        divided = make_split(table, task.classes, options.protocol, splits)
    except LeukoFlowError as error:
        raise LeukoFlowError(f"cohort {options.cohort!r}: {error}") from error
    write_table(options.output, divided)
    return None


if __name__ == "__main__":
    run(main)
