"""Draw a contact sheet of a cohort's white cells, or hold them beside the archive's own masks."""

from pathlib import Path

import numpy as np

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.contact import FIELDS, Field, archive_sheet, contact_sheet, cut_cells
from leukoflow.figures.pictures import load, shards_in, spread
from leukoflow.figures.samples import by_class
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--view", type=Path, required=True, help="summary (view.json) of the plain view")
    arguments.add_argument("--cells", type=Path, required=True, help="cells.parquet, label maps beside it")
    arguments.add_argument("--archive", type=Path, help="the archive's masks (parts.npy, index beside it): beside them")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)

    groups = by_class(read_table(given.manifest), given.settings)
    groups = {name: groups[name] for name in given.settings.classes}
    places: dict[str, int] = {}
    if given.archive:
        index = read_table(given.archive.with_name("index.parquet"), ["image_id"])["image_id"]
        places = {image: place for place, image in enumerate(index)}
        groups = {name: ids[ids.isin(index)] for name, ids in groups.items()}
    chosen = {name: spread(ids, FIELDS) if len(ids) else [] for name, ids in groups.items()}
    wanted = [image for ids in chosen.values() for image in ids]
    labels = labels_by_id(shards_in(given.cells.parent), wanted)
    pictures, cut = load(shards_in(given.view.parent), wanted), cut_cells(given.cells, wanted)
    fields = {
        name: [Field(each, pictures[each], labels[each], cut[each]) for each in ids] for name, ids in chosen.items()
    }
    if given.archive:
        parts = np.load(given.archive, mmap_mode="r", allow_pickle=False)
        masks = {name: [np.asarray(parts[places[each]]) > 0 for each in ids] for name, ids in chosen.items()}
        save(*archive_sheet(fields, masks), given.output)
    else:
        save(*contact_sheet(fields), given.output)


if __name__ == "__main__":
    run(main)
