"""Section Cells of the report: what was found, how well, and what it looks like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number

SEGMENTERS = {"unet": "U-Net", "threshold": "Thresholds"}
FAMILIES = ("stages", "contact", "archive", "cells", "gallery")
# The features that the report shows of each class: title and decimals. The table of cells has the others.
SHOWN = {
    "cells_per_image": ("White cells in an image", 0),
    "um_per_pixel": ("Scale, µm a pixel of the file", 3),
    "cell_diameter_um": ("Cell diameter, µm", 1),
    "nc_ratio": ("N:C ratio (nuclear / cell area)", 2),
    "nuclear_irregularity": ("Nuclear irregularity (1 for a disc)", 2),
    "nuclear_lobes": ("Nuclear lobes", 0),
    "chromatin_contrast": ("Chromatin contrast", 3),
    "chromatin_sd": ("Chromatin variation", 3),
    "nucleoli": ("Nucleoli", 0),
    "cytoplasm_od_red_mean": ("Cytoplasmic basophilia (optical density, red)", 2),
    "cytoplasm_granularity": ("Cytoplasmic granularity, OD", 3),
}


@dataclass(frozen=True)
class CohortCells:
    """The white cells of one cohort."""

    name: str
    facts: tuple[tuple[str, str], ...]
    """Name and text."""
    morphology: Grid
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Cells:
    """The whole section."""

    how: str
    """By what the cells were found."""
    pictures: tuple[Picture, ...]
    """Figures of the segmenters."""
    grids: tuple[Grid, ...]
    """Overlap with experts' masks, single cells, agreement with archives' masks."""
    cohorts: tuple[CohortCells, ...]


def cells_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> Cells | None:
    """The section from the tables cells, segmentation and instances; None if the study looks at no cells."""
    cells, segmentation, instances = (tables[name] for name in ("cells", "segmentation", "instances"))
    if cells.empty and segmentation.empty:
        return None
    grids = [overlap(segmentation), single_cells(segmentation, instances), agreement(segmentation)]
    grids.append(masks(tables["masks"]))
    cohorts = []
    for name in study.cohorts:
        part = cells[cells["cohort"] == name]
        if len(part):
            figures = [picture for picture in pictures if picture.family in FAMILIES and picture.parts[:1] == (name,)]
            figures.sort(key=lambda picture: FAMILIES.index(picture.family))
            cohorts.append(CohortCells(name, tuple(cohort_facts(part)), morphology(part), tuple(figures)))
    shown = tuple(picture for picture in pictures if picture.family == "segmentation")
    return Cells(how_found(study), shown, tuple(grid for grid in grids if grid is not None), tuple(cohorts))


def how_found(study: Study) -> str:
    """One sentence on the segmenter."""
    asked = study.segmentation
    sources = words.listed(asked.sources)
    if asked.method == "unet":
        size = "" if asked.width == 1 else f" ({asked.width:g} of the published width)"
        network = "a U-Net without gates" if asked.gates == "none" else "an Attention U-Net"
        by = f"by {network}{size} trained on the experts' masks of {sources}"
    else:
        by = f"by thresholds tuned on the experts' masks of {sources}" if sources else "by thresholds, tuned on no mask"
    if asked.adapt:
        by += f" and was then trained further on masks of its own of {asked.adapt.cohort}, whose images it has seen"
        by += " without masks, test images included (transductive)"
    return f"White cells were found {by}, then distinguished by a watershed."


def cohort_facts(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """Counts and scale of one cohort's rows of the table of cells."""
    whole = facts_of(cells[cells["label"] == ""])
    count, cut = whole["cells_per_image"], whole["border_cells_per_image"]
    facts = [
        ("Images searched", words.count(count["images"])),
        ("White cells", words.count(count["cells"])),
        ("In an image, median", f"{count['median']:g} ({count['q1']:g}{words.DASH}{count['q3']:g})"),
        ("Cut by the edge, median", f"{cut['median']:g}"),
        ("Images without any", words.count(whole["images_without_cells"]["images"])),
    ]
    if "um_per_pixel" in whole:
        scale, trust = whole["um_per_pixel"], whole["scale_confidence"]
        facts.append(("Median scale", f"{scale['median']:.3f} µm a pixel"))
        facts.append(("Confidence in it (0 to 1)", words.decimal(trust["median"], 2)))
        names = {"own": "its own red cells", "cohort": "the rest of the cohort", "assumed": "assumed"}
        sources = [(text, whole[f"scale_{name}"]["images"]) for name, text in names.items()]
        facts.append(
            ("Images by source of the scale", ", ".join(f"{text}: {words.count(n)}" for text, n in sources if n))
        )
    return facts


def facts_of(cells: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Rows of the table of cells for one cohort and label by their feature."""
    return {row["feature"]: {str(name): value for name, value in row.items()} for row in cells.to_dict("records")}


def morphology(cells: pd.DataFrame) -> Grid:
    """Median and quartiles of the main features by class, one row for each feature."""
    labels = [name for name in dict.fromkeys(cells["label"]) if name] or [""]
    values = [facts_of(cells[cells["label"] == label]) for label in labels]
    rows = []
    for feature, (title, digits) in SHOWN.items():
        if not all(feature in of_label for of_label in values):
            continue
        cells_of = []
        for of_label in values:
            row = of_label[feature]
            limits = "" if words.missing(row["q1"]) else f"{row['q1']:.{digits}f}{words.DASH}{row['q3']:.{digits}f}"
            cells_of.append(number(row["median"], words.decimal(row["median"], digits), limits))
        rows.append(Row((Cell(title), *cells_of)))
    if all("cell_diameter_um" in of_label for of_label in values):
        counts = [of_label["cell_diameter_um"]["cells"] for of_label in values]
        rows.append(Row((Cell("Cells measured"), *(number(n, words.count(n)) for n in counts))))
    caption = "Median and quartiles by class, of cells that no edge cuts. Table cells.csv has every feature."
    return grid(caption, ["Feature", *(label or "all" for label in labels)], rows, "cells")


def overlap(segmentation: pd.DataFrame) -> Grid | None:
    """Dice with experts' masks: a row for each source and part, a column for each segmenter, source known or not."""
    part = segmentation[(segmentation["kind"] == "expert") & (segmentation["metric"] == "dice")]
    if part.empty:
        return None
    networks = _networks(part)
    kinds = [(name, network, within) for name in SEGMENTERS for network in networks for within in (True, False)]
    kinds = [kind for kind in kinds if len(_of_kind(part, *kind))]
    rows = []
    for (source, name), group in part.groupby(["source", "part"], sort=False):
        cells = [_dice(_of_kind(group, *kind)) for kind in kinds]
        rows.append(
            Row(
                (
                    Cell(str(source)),
                    Cell(str(name)),
                    *cells,
                    number(group["images"].max(), words.count(group["images"].max())),
                )
            )
        )
    titles = [
        f"{_title(name, network, networks)}{'' if within else ', source left out'}" for name, network, within in kinds
    ]
    caption = (
        "Dice with experts' masks on held-out images, mean over images. Left out: nothing of the source was learnt "
    )
    caption += f"from or tuned on.{_adapted(part)}{_undefined(part)}"
    return grid(caption, ["Source", "Part", *titles, "Test images"], rows, "segmentation")


def _adapted(part: pd.DataFrame) -> str:
    """A sentence on a network that has seen a cohort without masks, empty if there is none."""
    if not part["network"].fillna("").str.contains("transductive").any():
        return ""
    return (
        " Transductive: the network was trained further on images of the cohort without masks, the test images among "
        "them, so its scores there are no measure for images that it has not seen."
    )


def _undefined(part: pd.DataFrame) -> str:
    """A sentence on the images whose Dice is undefined, empty if there is none."""
    most = part["undefined"].max()
    if words.missing(most) or not most:
        return ""
    return (
        f" In up to {words.plural(most, 'image')} of a source neither mask has a pixel of the part: Dice is undefined "
        "there, and they do not count."
    )


def masks(table: pd.DataFrame) -> Grid | None:
    """Masks used, without a cell, and rejected by reason; None if there is no mask."""
    rows = [
        Row((Cell(row["source"]), Cell(row["reason"] or row["fact"]), number(row["masks"], words.count(row["masks"]))))
        for row in table.fillna({"reason": ""}).to_dict("records")
        if row["masks"] or row["fact"] == "used"
    ]
    caption = "Masks of white cells that were read. Rejected ones are named in masks/SOURCE/rejects.csv."
    return grid(caption, ["Source", "Masks", "Count"], rows, "masks") if rows else None


def _networks(table: pd.DataFrame) -> list[str]:
    """The networks of a table by their options, the one that finds the cells first; "" stands for thresholds."""
    return list(dict.fromkeys(table["network"].fillna("")))


def _title(segmenter: str, network: str, networks: Sequence[str]) -> str:
    """A segmenter, with its options if networks are compared."""
    compared = network and len(set(networks) - {""}) > 1
    return f"{SEGMENTERS[segmenter]}, {network}" if compared else SEGMENTERS.get(segmenter, segmenter)


def _of_kind(table: pd.DataFrame, segmenter: str, network: str, within: bool) -> pd.DataFrame:
    chosen = (table["segmenter"] == segmenter) & (table["network"].fillna("") == network)
    return table[chosen & (table["within"].astype(bool) == within)]


def _dice(rows: pd.DataFrame) -> Cell:
    if rows.empty:
        return Cell(words.NONE)
    row = rows.iloc[0]
    limits = "" if words.missing(row["low"]) else f"{row['low']:.3f}{words.DASH}{row['high']:.3f}"
    return number(row["value"], words.decimal(row["value"]), limits)


def single_cells(segmentation: pd.DataFrame, instances: pd.DataFrame) -> Grid | None:
    """Cells found and missed, where masks tell them apart."""
    if instances.empty:
        return None
    key = ["segmenter", "network", "trained_on", "source"]
    segmentation, instances = (table.fillna({"network": ""}) for table in (segmentation, instances))
    known = segmentation.drop_duplicates(key).set_index(key)["within"]
    networks = _networks(instances)
    rows = []
    for row in instances.to_dict("records"):
        within = bool(known.get(tuple(row[name] for name in key), True))
        cells = [Cell(row["source"]), Cell(_title(row["segmenter"], row["network"], networks))]
        cells.append(Cell("yes" if within else "no, left out"))
        cells += [number(row[name], words.count(row[name])) for name in ("true_cells", "found_cells")]
        cells += [number(row[name], words.decimal(row[name], 2)) for name in ("ap50", "precision", "recall", "f1")]
        cells += [number(row[name], f"{row[name]:+.2f}") for name in ("count_error",)]
        cells += [number(row["count_error_abs"], words.decimal(row["count_error_abs"], 2))]
        rows.append(Row(tuple(cells)))
    columns = ["Source", "Segmenter", "Source trained on", "True cells", "Found", "AP at IoU 0.5", "Precision"]
    columns += ["Recall", "F1", "Count error an image", "... its size"]
    return grid("Single cells against masks that tell them apart, on held-out images.", columns, rows, "instances")


def agreement(segmentation: pd.DataFrame) -> Grid | None:
    """Agreement with masks that an archive came with, by class; of the segmenter that was used."""
    part = segmentation[segmentation["kind"] == "agreement"]
    if part.empty:
        return None
    used = next(name for name in SEGMENTERS if name in set(part["segmenter"]))
    part = part[(part["segmenter"] == used) & (part["part"] == "cell")]
    part = part[part["network"].fillna("") == _networks(part)[0]]
    rows = []
    for (source, label), group in part.groupby(["source", "label"], sort=False):
        values = {row["metric"]: row for _, row in group.iterrows()}
        dice = values.get("dice")
        marked = values.get("marked")
        cells = [Cell(str(source)), Cell(str(label) or "all")]
        cells.append(Cell(words.NONE) if dice is None else _dice(pd.DataFrame([dice])))
        if marked is None:
            cells.append(Cell(words.NONE))
        else:
            limits = words.interval(marked["low"], marked["high"], 0)
            cells.append(number(marked["value"], words.percent(marked["value"], 0), limits))
        cells.append(number(group["images"].max(), words.count(group["images"].max())))
        rows.append(Row(tuple(cells)))
    columns = ["Cohort", "Label", "Dice with the archive's mask", "Cells that the archive's mask keeps", "Images"]
    caption = "Agreement with the masks that an archive came with. No expert drew them: this is no measure of right."
    caption += " Cells: mean over images of the share that the mask covers at least half."
    caption += _adapted(part) + _undefined(part[part["metric"] == "dice"])
    return grid(caption, columns, rows, "segmentation")
