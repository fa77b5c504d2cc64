"""Draw the morphology of a cohort's white cells by class, and typical cells of each."""

from pathlib import Path

import numpy as np

from leukoflow.cells.labels import open_labels
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.morphology import TRAITS, gallery, morphology, typical_cells
from leukoflow.figures.pictures import shards_in
from leukoflow.figures.style import save
from leukoflow.images.geometry import rendition
from leukoflow.images.sources import listed, read, sources

PLACE = ["image_id", "cell", "x", "y", "border", "um_per_pixel"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--files", type=Path, required=True, help="files.parquet of the cohort")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--cells", type=Path, required=True, help="cells.parquet, label maps beside it")
    arguments.add_argument("--output", type=Path, required=True, help="morphology (PNG); SVG and CSV beside it")
    arguments.add_argument("--gallery", type=Path, required=True, help="typical cells (PNG); SVG and CSV beside it")
    given = arguments.parse_args(argv)

    cells = read_table(given.cells, [*PLACE, *(name for name, _, _ in TRAITS)])
    manifest = read_table(given.manifest, ["image_id", "label", "patient"])
    save(*morphology(cells, manifest, given.settings), given.output)
    chosen = typical_cells(cells, manifest, given.settings)
    wanted = list(dict.fromkeys(chosen["image_id"]))
    maps = open_labels(shards_in(given.cells.parent))
    labels = dict(zip(wanted, maps.gather(maps.rows_of(wanted)), strict=True))
    # Single cells are small: they are shown at the size in which they were found, not at that of a view.
    rows = listed(given.files).set_index("image_id", drop=False).loc[wanted]
    pictures: dict[str, np.ndarray] = {
        name: rendition(read(source, given.max_pixels), maps.size, source.bar)
        for name, source in zip(wanted, sources(given.root, rows), strict=True)
    }
    save(*gallery(chosen, pictures, labels, given.settings), given.gallery)


if __name__ == "__main__":
    run(main)
