"""Divide a cohort's labelled images into training, validation and test roles."""

import logging

from leukoflow.config.base import Section
from leukoflow.config.splits import Division
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.step import parser, run, settings
from leukoflow.quality.split import labelled, make_split

log = logging.getLogger("leukoflow")


class Asked(Section):
    """What the step depends on."""

    task: Task
    """The task, whose classes are balanced."""
    division: Division
    """What stays together, fractions, folds, seed, leaks."""


def main(argv: list[str] | None) -> int | None:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Asked), required=True, help="task and division, as JSON")
    arguments.add_argument("--protocol", required=True, help="its name")
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--manifest", required=True)
    arguments.add_argument("--groups", required=True)
    arguments.add_argument("--output", required=True)
    options = arguments.parse_args(argv)

    task, division = options.settings.task, options.settings.division
    manifest = read_table(options.manifest, ["image_id", "label", "patient", "site"])
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
        divided = make_split(table, task.classes, division)
    except LeukoFlowError as error:
        raise LeukoFlowError(f"cohort {options.cohort!r}, protocol {options.protocol!r}: {error}") from error
    write_table(options.output, divided)
    return None


if __name__ == "__main__":
    run(main)
