"""White cells counted by type, over one picture or many: what a model of single cells says of a smear."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from leukoflow.cells.differential import Differential, differential
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic
from leukoflow.runtime.answers import Cell
from leukoflow.runtime.rows import Row
from leukoflow.runtime.schema import Export

COLUMNS = [
    "group", "images", "cells", "cells_low", "cells_high", "cannot_tell", "type", "type_cells", "share", "low", "high",
]  # fmt: skip
ALL = "all"
"""Name of the group of all pictures."""


def counts_of(cells: Iterable[Cell]) -> dict[str, int]:
    """Cells by their likeliest type, also those that are no white cells."""
    return dict(Counter(cell.type.label for cell in cells if cell.type))


def differential_of(facts: Export, counts: Mapping[str, int]) -> Differential:
    """The differential count of cells by type. LeukoFlowError if the model is not one of single cells."""
    reader = facts.reader
    if reader is None:
        raise LeukoFlowError(
            f"{facts.name}: classifies whole pictures, so it counts no cells; use a model of single cells"
        )
    kept = [index for index, name in enumerate(facts.classes) if name not in reader.uncounted]
    names = [facts.classes[index] for index in kept]
    confusion = [[reader.confusion[row][column] for column in kept] for row in kept]
    return differential(names, [counts.get(name, 0) for name in names], confusion)


def write_differential(output: Path, facts: Export, rows: Sequence[Row]) -> None:
    """Write a differential count for the pictures of each folder and for all together: a row for each type (CSV)."""
    folders: dict[str, list[Row]] = {}
    for row in rows:
        folders.setdefault(str(Path(row.path).parent), []).append(row)
    groups = {**(folders if len(folders) > 1 else {}), ALL: list(rows)}
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic(output) as temporary, open(temporary, "w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(COLUMNS)
        for group, members in groups.items():
            total: Counter[str] = Counter()
            for row in members:
                total.update(row.types)
            counted = differential_of(facts, total)
            start = [group, len(members), counted.cells, f"{counted.low:.1f}", f"{counted.high:.1f}"]
            start.append(sum(row.cannot_tell for row in members))
            for kind in counted.types:
                share = "" if not counted.cells else f"{kind.share:.4f}"
                table.writerow([*start, kind.name, kind.cells, share, f"{kind.low:.4f}", f"{kind.high:.4f}"])
