"""The tables of a study, in `results/STUDY/tables`: of each its name, how it is made, its section and what it holds.

Most are gathered from parts, tables of one panel each in `results/STUDY/parts/KIND/PANEL`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from leukoflow.outputs.plan import Panel, Plan


@dataclass(frozen=True)
class TableSpec:
    """What is known of one table."""

    name: str
    """Name of the file, without suffix."""
    kind: str
    """Kind of the parts that it is gathered from (`PARTS_OF`), or the step that makes it whole."""
    section: str
    """Section of the report that shows it."""
    text: str
    """What it holds: what a row is, and what is said of it."""


def _nothing_explained(plan: Plan) -> Sequence[Panel]:
    # A study that explains nothing has a table without rows.
    return list(plan.explained) or [("nothing",)]


PARTS_OF: dict[str, Callable[[Plan], Sequence[Panel]]] = {
    "probes": lambda plan: plan.probed,
    "shortcuts": lambda plan: plan.main_panels,
    "statistics": lambda plan: plan.tested,
    "leakage": lambda plan: plan.trained,
    "assessment": lambda plan: plan.main_panels,
    # Without such a run, the first panel or experiment gives a table without rows.
    "robustness": lambda plan: plan.stressed_panels or plan.panels[:1],
    "remedies": lambda plan: plan.remedied,
    "profile": lambda plan: plan.profiled,
    "explanations": _nothing_explained,
    "abstention": lambda plan: plan.main_panels,
    "gate": lambda plan: plan.gated,
}
"""For each kind of parts, the panels whose parts a study has, in the order of the table."""
TABLES = (
    TableSpec(
        "scores", "tables", "details",
        "A metric of one run on one cohort, role and subset of images, with its interval.",
    ),
    TableSpec(
        "leaderboard", "tables", "leaderboards",
        "A model under one cohort, task, view and protocol: accuracy on test images over its folds and seeds, with "
        "intervals, weights, size and published accuracy.",
    ),
    TableSpec(
        "external", "tables", "external",
        "A model on another cohort than its own: accuracy with intervals, on all images and without copies of training "
        "images.",
    ),
    TableSpec(
        "cohorts", "tables", "cohorts",
        "A fact of a cohort, measured and published: numbers of images, rejects, duplicates, scale bars; medians.",
    ),
    TableSpec(
        "label_conflicts", "tables", "cohorts",
        "A pair of copies whose labels differ.",
    ),
    TableSpec(
        "audit", "tables", "splits",
        "A fold of a split: images in each role, and how many test images share a duplicate, acquisition or patient "
        "with training images.",
    ),
    TableSpec(
        "comparisons", "tables", "leaderboards",
        "A model of an experiment against its reference: paired difference in accuracy, interval, p-values.",
    ),
    TableSpec(
        "segmentation", "cell_tables", "cells",
        "A segmenter on the masks of one source: overlap with the expert's masks, mean over images with interval.",
    ),
    TableSpec(
        "instances", "cell_tables", "cells",
        "A segmenter on one source whose masks tell cells apart: cells found, average precision, errors of counting.",
    ),
    TableSpec(
        "masks", "cell_tables", "cells",
        "A source of masks: how many were used and rejected, by reason.",
    ),
    TableSpec(
        "cells", "cell_tables", "cells",
        "A measure of white cells by cohort and label: numbers of images and cells, quartiles.",
    ),
    TableSpec(
        "selection", "cell_tables", "features",
        "A feature that was selected for a run: its rank and score.",
    ),
    TableSpec(
        "stability", "cell_tables", "features",
        "Agreement of selections between parts of the training images, by number of features.",
    ),
    TableSpec(
        "neighbours", "cell_tables", "features",
        "What the nearest neighbours of images in the space of features share, and what chance would give.",
    ),
    TableSpec(
        "statistics", "statistics", "statistics",
        "A test between models of an experiment: statistic, degrees of freedom, p-value, corrected p-value.",
    ),
    TableSpec(
        "ranks", "statistics", "statistics",
        "Mean rank of a model over folds and seeds, and the critical difference.",
    ),
    TableSpec(
        "leakage", "leakage", "leakage",
        "A model's accuracy under a split, its difference to images split at random, and accuracy on test images with "
        "and without a copy among the training images.",
    ),
    TableSpec(
        "calibration", "assessment", "assessment",
        "A measure of calibration of a model before or after a calibrator, with its interval.",
    ),
    TableSpec(
        "reliability", "assessment", "assessment",
        "A bin of confidence of a model: number of images, mean confidence, accuracy with interval.",
    ),
    TableSpec(
        "discrimination", "assessment", "assessment",
        "A measure of discrimination of a model for one class or all, with its interval.",
    ),
    TableSpec(
        "errors", "assessment", "assessment",
        "A pair of classes that a model confuses, or how its right and wrong answers differ in confidence.",
    ),
    TableSpec(
        "operating_points", "assessment", "assessment",
        "A threshold for one class: sensitivity, specificity and predictive values.",
    ),
    TableSpec(
        "prevalence", "assessment", "assessment",
        "Predictive values and precision of a model at other shares of a class.",
    ),
    TableSpec(
        "probes", "probes", "shortcuts",
        "A classifier that sees no shape of a cell: what it sees, its accuracy under a split with interval.",
    ),
    TableSpec(
        "shortcut_audit", "shortcuts", "shortcuts",
        "A model: its accuracy, what other stains leave of it, how much of it probes explain, and the verdict.",
    ),
    TableSpec(
        "stain_swap", "shortcuts", "shortcuts",
        "A model on test images in the stain of another class: accuracy, and share of predictions that change.",
    ),
    TableSpec(
        "neutralised", "shortcuts", "shortcuts",
        "A model on test images without one shortcut: accuracy and its difference to the unchanged images.",
    ),
    TableSpec(
        "robustness", "robustness", "robustness",
        "A model on test images changed in one way: accuracy with interval, drop, predictions that change.",
    ),
    TableSpec(
        "modules", "robustness", "robustness",
        "A module of attention on changed images: information shared with the unchanged ones, shift of attention.",
    ),
    TableSpec(
        "sample_size", "sample_size", "robustness",
        "A model trained on a share of the images: metrics with intervals over its runs.",
    ),
    TableSpec(
        "gains", "remedies", "robustness",
        "A model or view of an experiment on changed images, against the reference: difference with interval.",
    ),
    TableSpec(
        "efficiency", "profile", "efficiency",
        "A model: parameters, file size, operations, latency, memory, training time.",
    ),
    TableSpec(
        "energy", "profile", "efficiency",
        "Energy of the arithmetic of a model for one image, by kind of operation.",
    ),
    TableSpec(
        "layers", "profile", "efficiency",
        "A layer of a network: shape, parameters, operations.",
    ),
    TableSpec(
        "speed", "profile", "efficiency",
        "A model on one device and batch size: milliseconds (median, 95th percentile), images a second.",
    ),
    TableSpec(
        "explanations", "explanations", "explanations",
        "A score of a model's heat maps, on all, right or wrong answers, with its interval.",
    ),
    TableSpec(
        "published_vs_reproduced", "published", "published",
        "A published number, the measured one, whether they are comparable, and what differs.",
    ),
    TableSpec(
        "published_checks", "published", "published",
        "A published number that is impossible or contradicts others of the same paper, with the arithmetic.",
    ),
    TableSpec(
        "paper_figures", "paper_figures", "published",
        "A figure of a paper: the study's figure that stands for it, what differs, or why there is none.",
    ),
    TableSpec(
        "abstention", "abstention", "abstention",
        "A model that answers the images of which it is surest: accuracy by the share answered.",
    ),
    TableSpec(
        "conformal", "abstention", "abstention",
        "Prediction sets of a model: promised and measured coverage with interval, size of the sets.",
    ),
    TableSpec(
        "novelty", "abstention", "abstention",
        "How well a score of a model separates images of another kind from test images.",
    ),
    TableSpec(
        "gate", "gate", "abstention",
        "What the gate on image quality refuses of a cohort or kind of image, by measure.",
    ),
    TableSpec(
        "gate_accuracy", "gate", "abstention",
        "A model's accuracy on images that the gate accepts and refuses.",
    ),
)  # fmt: skip
"""Every table, in the order in which the report reads them."""
NAMES = tuple(spec.name for spec in TABLES)


def tables_of(kind: str) -> tuple[str, ...]:
    """Names of the tables of a kind, in the order of the catalogue."""
    return tuple(spec.name for spec in TABLES if spec.kind == kind)
