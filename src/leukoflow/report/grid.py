"""Tables as the report shows them: text for the reader, a key for sorting."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.protocols import in_order, root_of
from leukoflow.core import words
from leukoflow.core.runs import is_baseline

FIRST, LONG = 10, 15
"""Rows of a long table that are shown at once, and the number of rows above which a table is long."""


@dataclass(frozen=True)
class Cell:
    """One cell; numbers carry the value they are sorted by."""

    text: str
    note: str = ""
    """Smaller, after the text: an interval."""
    key: float | None = None
    chip: str = ""
    """A marked word after the text, such as `random weights`."""
    long: bool = False
    """Whether it is a sentence, which is broken into lines."""
    href: str = ""
    """File next to the page that the text leads to."""


@dataclass(frozen=True)
class Row:
    """Cells, and whether the row is the colour baseline."""

    cells: tuple[Cell, ...]
    baseline: bool = False


@dataclass(frozen=True)
class Grid:
    """A table with its caption."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    numeric: tuple[bool, ...]
    """Columns of numbers, which are set to the right."""
    table: str = ""
    """The file `tables/NAME.csv` that it is from."""
    order: str = ""
    """What the rows of a long table are ordered by, in words; empty if they are as they were given."""

    @property
    def first(self) -> tuple[Row, ...]:
        """The rows that are shown at once."""
        return self.rows[:FIRST] if len(self.rows) > LONG else self.rows

    @property
    def rest(self) -> tuple[Row, ...]:
        """The rows of a long table that are folded."""
        return self.rows[len(self.first) :]


def records(table: pd.DataFrame, *keys: str) -> dict[tuple, list[dict[Hashable, Any]]]:
    """The rows of a table by the values of columns, in their order; frames asked group by group would take minutes."""
    groups: dict[tuple, list[dict[Hashable, Any]]] = {}
    for row in table.dropna(subset=list(keys)).to_dict("records"):
        groups.setdefault(tuple(row[name] for name in keys), []).append(row)
    return groups


def number(value: float, text: str, note: str = "") -> Cell:
    """A cell that is sorted by its value."""
    return Cell(text, note, None if words.missing(value) else float(value))


def grid(caption: str, columns: Sequence[str], rows: Sequence[Row], table: str = "", best: str = "") -> Grid:
    """A table whose numeric columns are those in which some cell has a key; `table` names the file it is from.

    `best` is the column by which the rows of a long table are ordered, the highest first; `-COLUMN` puts the lowest
    first. A stricter split goes before a looser one, whose accuracies are higher without being better. The best row of
    the colour baseline stays on top.
    """
    numeric = tuple(any(row.cells[index].key is not None for row in rows) for index in range(len(columns)))
    if not best or len(rows) <= LONG:
        return Grid(caption, tuple(columns), tuple(rows), numeric, table)
    name = best.removeprefix("-")
    index, split = columns.index(name), columns.index("Split") if "Split" in columns else None
    strict = [] if split is None else in_order(filter(root_of, (row.cells[split].text for row in rows)))[::-1]

    def rank(row: Row) -> tuple[int, bool, float]:
        key, protocol = row.cells[index].key, row.cells[split].text if split is not None else ""
        value = 0.0 if key is None else key if best != name else -key
        return strict.index(protocol) if protocol in strict else len(strict), key is None, value

    ordered = sorted(rows, key=rank)
    baseline = next((row for row in ordered if row.baseline), None)
    if baseline is not None:
        ordered.remove(baseline)
        ordered.insert(0, baseline)
    order = f"{'lowest' if best != name else 'highest'} first by {name}"
    order += ", the strictest split before the others" if split is not None else ""
    order += ", under the colour baseline" if baseline is not None else ""
    return Grid(caption, tuple(columns), tuple(ordered), numeric, table, order)


def plain(caption: str, table: pd.DataFrame, name: str) -> Grid:
    """A table of the study as it is: whole numbers with separators, other numbers of three digits."""
    rows = [Row(tuple(_plain(value) for value in row)) for row in table.itertuples(index=False, name=None)]
    return grid(caption, [column.replace("_", " ").capitalize() for column in table.columns], rows, name)


def _plain(value: object) -> Cell:
    if words.missing(value) or isinstance(value, str):
        return Cell(words.NONE if words.missing(value) else str(value))
    amount = float(str(value))
    return number(amount, words.count(amount) if amount.is_integer() else words.significant(amount))


def model_cell(row: pd.Series) -> Cell:
    """A model's name, marked where its network started from random weights."""
    return Cell(row["model"], chip="random weights" if row.get("weights") == "random" else "")


def _metric(row: pd.Series, name: str, share: bool) -> Cell:
    value, low, high = row[name], row[f"{name}_group_low"], row[f"{name}_group_high"]
    if words.missing(low):
        low, high = row[f"{name}_low"], row[f"{name}_high"]
    if name == "accuracy":
        low, high = row["low"], row["high"]
    text = words.percent(value) if share else words.decimal(value)
    if row.get("runs", 1) > 1:
        spread = row[f"{name}_sd"]
        text += f" \N{PLUS-MINUS SIGN} {100 * spread:.1f}" if share else f" \N{PLUS-MINUS SIGN} {spread:.3f}"
    if words.missing(low) or low == high:
        return number(value, text)
    return number(value, text, words.interval(low, high) if share else f"{low:.3f}{words.DASH}{high:.3f}")


METRICS = {
    "accuracy": ("Accuracy", True),
    "balanced_accuracy": ("Balanced accuracy", True),
    "macro_f1": ("Macro F1", False),
    "macro_auc": ("Macro AUC", False),
    "mcc": ("MCC", False),
    "kappa": ("Kappa", False),
}


def leaderboard(table: pd.DataFrame, several_views: bool) -> Grid:
    """Models under each protocol, the colour baseline first; published figures in columns of their own, where any."""
    published = [name for name in METRICS if table[f"published_{name}"].notna().any()]
    rows = []
    for _, row in table.iterrows():
        where = [Cell(row["protocol"])] + ([Cell(row["view"])] if several_views else [])
        sizes = [number(row["images"], words.count(row["images"])), number(row["groups"], words.count(row["groups"]))]
        metrics = [_metric(row, name, share) for name, (_, share) in METRICS.items()]
        metrics += [_published(row[f"published_{name}"], METRICS[name][1]) for name in published]
        rows.append(Row((model_cell(row), *where, *metrics, *sizes), is_baseline(row["model"])))
    columns = ["Model", "Split", *(["View"] if several_views else [])]
    titles = [title for title, _ in METRICS.values()]
    return grid(
        "Test results, the colour baseline first. Small figures are intervals.",
        [*columns, *titles, *(f"{METRICS[name][0]} (as published)" for name in published), "Test images", "Groups"],
        rows,
        "leaderboard",
        best="Accuracy",
    )


def _published(value: float, share: bool) -> Cell:
    return number(value, words.percent(value) if share else words.decimal(value))


def per_class(report: pd.DataFrame, order: Sequence[str]) -> Grid:
    """Measures of each class against the rest and their averages (means over runs), models in the order given.

    report: rows of table `class_report` under one view and split.
    """
    rows = []
    for model in order:
        for row in report[report["model"] == model].to_dict("records"):
            cells = [_measure(row, name) for name in ("precision", "recall", "specificity", "f1", "auc")]
            size = number(row["support"], words.count(row["support"]))
            rows.append(Row((Cell(model), Cell(row["class"]), *cells, size), is_baseline(model)))
    columns = ["Model", "Class", "Precision", "Recall", "Specificity", "F1", "AUC (one against rest)", "Test images"]
    return grid("Results by class, with the standard deviation over runs.", columns, rows, "class_report")


def _measure(row: Mapping[Hashable, Any], name: str) -> Cell:
    value, spread = row[name], row[f"{name}_sd"]
    text = words.decimal(value)
    return number(value, text if words.missing(spread) else f"{text} \N{PLUS-MINUS SIGN} {spread:.3f}")


def external(table: pd.DataFrame) -> Grid:
    """Targets outside: all labelled images next to those that the model has not seen."""
    rows = []
    for _, row in table.iterrows():
        every = number(row["accuracy"], words.percent(row["accuracy"]), words.interval(row["low"], row["high"]))
        limits = words.interval(row["unseen_low"], row["unseen_high"])
        unseen = number(row["unseen_accuracy"], words.percent(row["unseen_accuracy"]), limits)
        if row["unseen_images"] == 0:
            unseen = Cell("none left", key=-1.0)
        cells = [Cell(row["target"]), Cell(row["protocol"]), every, number(row["images"], words.count(row["images"]))]
        cells += [unseen, number(row["unseen_images"], words.count(row["unseen_images"]))]
        cells += [number(row[name], words.decimal(row[name])) for name in ("macro_f1", "macro_auc")]
        cells += [number(row[name], words.count(row[name])) for name in ("removed", "unlabelled")]
        rows.append(Row((model_cell(row), *cells), is_baseline(row["model"])))
    columns = ["Model", "Tested on", "Split", "Accuracy, all", "Images", "Accuracy, without overlap", "Images left"]
    columns += ["Macro F1, all", "Macro AUC, all", "Removed as seen", "Without label"]
    caption = "Models on images from elsewhere, before and after removing what they have seen."
    return grid(caption, columns, rows, "external", best="Accuracy, without overlap")


def audit(table: pd.DataFrame) -> Grid:
    """Roles of every split and what its test images share with the images trained on."""
    kinds = [kind for kind in ("patient", "slide") if table[f"test_with_alike_{kind}"].sum() > 0]
    alike = [f"test_with_alike_{kind}" for kind in kinds]
    rows = []
    for _, row in table.iterrows():
        cells = [
            Cell(row["cohort"]),
            Cell(row["task"]),
            Cell(row["protocol"]),
            number(row["fold"], words.count(row["fold"] + 1)),
        ]
        cells += [number(row[name], words.count(row[name])) for name in ("train", "validation", "test", "groups")]
        for name in ("test_with_duplicate", "test_with_acquisition", "test_with_patient", *alike):
            share = words.percent(row[name] / row["test"]) if row["test"] and not words.missing(row[name]) else ""
            cells.append(number(row[name], words.count(row[name]), share))
        rows.append(Row(tuple(cells)))
    columns = ["Cohort", "Task", "Split", "Fold", "Train", "Validation", "Test", "Groups"]
    columns += ["Test images with a duplicate learnt", "... of an acquisition learnt", "... of a patient learnt"]
    columns += [f"... of a {kind} whose id looks like one learnt" for kind in kinds]
    return grid(
        "What the test images share with the images trained on (training and validation).", columns, rows, "audit"
    )


BAR_KINDS = ("red", "dark")


def cohort_labels(table: pd.DataFrame) -> Grid:
    """Images and scale bars by label, with the published counts apart."""
    images = table[(table["fact"] == "images") & (table["label"] != "")]
    bars = {kind: table[table["fact"] == f"{kind} scale bars"].set_index("label")["measured"] for kind in BAR_KINDS}
    published = bool(images["published"].notna().any())
    rows = []
    for _, row in images.iterrows():
        cells = [Cell(row["label"]), number(row["measured"], words.count(row["measured"]))]
        if published:
            cells.append(number(row["published"], words.count(row["published"])))
        for counts in bars.values():
            count = counts.get(row["label"], 0)
            share = words.percent(count / row["measured"], 0) if row["measured"] else ""
            cells.append(number(count, words.count(count), share))
        rows.append(Row(tuple(cells)))
    columns = [
        "Label",
        "Images (measured)",
        *(["Images (published)"] if published else []),
        *(f"With a {kind} scale bar" for kind in BAR_KINDS),
    ]
    return grid("Images by label.", columns, rows, "cohorts")


def rejects(table: pd.DataFrame) -> Grid | None:
    """Rejected files by reason, over all cohorts; None if there are none."""
    rejected = table[(table["fact"] == "rejected") & (table["label"] != "")]
    rows = [
        Row((Cell(row["cohort"]), Cell(row["label"]), number(row["measured"], words.count(row["measured"]))))
        for _, row in rejected.iterrows()
    ]
    return grid("Files that were left out.", ["Cohort", "Reason", "Files"], rows, "cohorts") if rows else None


MOST_CONFLICTS = 200
"""Pairs of copies with different labels that the report lists."""


def conflicts(table: pd.DataFrame) -> Grid | None:
    """Pairs of copies whose labels differ; None if there are none."""
    columns = ["cohort_a", "image_a", "label_a", "cohort_b", "image_b", "label_b"]
    rows = [
        Row((*(Cell(str(row[name])) for name in columns), Cell(_kind(row))))
        for _, row in table[:MOST_CONFLICTS].iterrows()
    ]
    titles = ["Cohort", "File", "Label", "Cohort", "File", "Label", "Kind of copy"]
    caption = "Copies with different labels."
    if len(table) > MOST_CONFLICTS:
        caption = f"Copies with different labels: the first {MOST_CONFLICTS} of {words.count(len(table))} pairs."
    return grid(caption, titles, rows, "label_conflicts") if rows else None


def _kind(row: pd.Series) -> str:
    return str(row["kind"] if words.missing(row["change"]) or not row["change"] else row["change"])


def recall(table: pd.DataFrame) -> Grid:
    """Share of planted copies found, by kind of copy and source of images."""
    sources = list(dict.fromkeys(table["source"]))
    rows = []
    for copy, part in table.groupby("copy", sort=False):
        shares = part.set_index("source")["found"].reindex(sources)
        cells = [Cell("") if words.missing(share) else number(share, words.percent(share, 0)) for share in shares]
        rows.append(Row((Cell(str(copy)), *cells)))
    return grid("Planted copies that are found, by how they were made.", ["Copy", *sources], rows)
