"""Draw the way from a picture to its white cells, for one typical image of each class."""

from pathlib import Path

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.contact import Field, cut_cells
from leukoflow.figures.pictures import load, shards_in
from leukoflow.figures.samples import by_class
from leukoflow.figures.stages import Stages, stage_chart, typical
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--view", type=Path, required=True, help="summary (view.json) of the plain view")
    arguments.add_argument("--normalised", type=Path, help="summary of the normalised view, where there is one")
    arguments.add_argument("--cells", type=Path, required=True, help="cells.parquet, images and label maps beside it")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)

    images = read_table(given.cells.with_name("images.parquet"), ["image_id", "cells"])
    groups = by_class(read_table(given.manifest), given.settings)
    chosen = {name: typical(images, groups[name]) for name in given.settings.classes}
    wanted = [image for image in chosen.values() if image is not None]
    labels = labels_by_id(shards_in(given.cells.parent), wanted)
    plain = load(shards_in(given.view.parent), wanted)
    normalised = load(shards_in(given.normalised.parent), wanted) if given.normalised else {}
    cut = cut_cells(given.cells, wanted)
    stages = {
        name: Stages(Field(image, plain[image], labels[image], cut[image]), normalised.get(image)) if image else None
        for name, image in chosen.items()
    }
    save(*stage_chart(stages), given.output)


if __name__ == "__main__":
    run(main)
