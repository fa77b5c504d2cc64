"""Draw sample images of each class of a cohort."""

from pathlib import Path

from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.pictures import shards_in
from leukoflow.figures.samples import class_samples
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--view", type=Path, required=True, help="summary (view.json) of the plain view")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*class_samples(read_table(given.manifest), given.settings, shards_in(given.view.parent)), given.output)


if __name__ == "__main__":
    run(main)
