"""Draw one image of each class in every view of a cohort, the views in the order given."""

from pathlib import Path

from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.pictures import shards_in, view_of
from leukoflow.figures.samples import views
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--views", nargs="+", type=Path, required=True, help="summaries (view.json), plain first")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    by_view = {view_of(each.parent)[1]: shards_in(each.parent) for each in given.views}
    save(*views(read_table(given.manifest), given.settings, by_view), given.output)


if __name__ == "__main__":
    run(main)
