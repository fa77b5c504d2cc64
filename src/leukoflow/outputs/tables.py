"""The tables of a study, in `results/STUDY/tables`: of each its name, how it is made, its section and what it holds.

Most are gathered from parts, tables of one panel each in `results/STUDY/parts/KIND/PANEL`. Those of kind `table` are
made by a function each, as figures are drawn.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from leukoflow.config.plan import exported_runs
from leukoflow.outputs.plan import Panel, Plan

Files = dict[str, list[str]]
"""Files by name."""


def _nothing(plan: Plan) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class TableSpec:
    """What is known of one table."""

    name: str
    """Name of the file, without suffix."""
    kind: str
    """Kind of the parts that it is gathered from (`PARTS_OF`), `table`, or the step that makes it whole."""
    section: str
    """Section of the report that shows it."""
    columns: str
    """Its columns, as `reference.columns_of` reads them."""
    text: str
    """What a row is, and what it says."""
    make: str = ""
    """Of kind `table`: function below `leukoflow`, as MODULE.FUNCTION; it takes `Inputs` and returns the table."""
    reads: Callable[[Plan], Files] = _nothing
    """Of kind `table`: files that it is made from, by name."""
    settings: Callable[[Plan], dict[str, Any]] = _nothing
    """Of kind `table`: what else it depends on."""
    shown: bool = False
    """Whether the report shows it as it is, below its section."""


def _scores(plan: Plan) -> Files:
    return {"scores": [plan.table("scores")], "models": plan.run_files(plan.runs, "model.json")}


def _published(plan: Plan) -> dict[str, Any]:
    return {"published": {name: model.published for name, model in plan.study.models.items()}}


def _duplicates(plan: Plan) -> Files:
    return {"duplicates": [f"{plan.results}/quality/duplicates.parquet"]}


def _manifests(plan: Plan) -> Files:
    return {"manifests": [f"{plan.results}/cohorts/{name}/manifest.parquet" for name in plan.roots]}


def _cohorts(plan: Plan) -> Files:
    return _duplicates(plan) | {
        "manifests": plan.cohort_files("manifest.parquet"),
        "qualities": plan.cohort_files("quality.parquet"),
        "rejects": plan.cohort_files("rejects.csv"),
        "names": plan.cohort_files("names.csv", listed=True),
        "left_out": plan.cohort_files("left_out.parquet", listed=True),
        "warnings": plan.cohort_files("warnings.csv", listed=True),
    }  # fmt: skip


def _cohorts_and_tasks(plan: Plan) -> dict[str, Any]:
    return {
        "cohorts": {name: dict(getattr(cohort, "expected", {})) for name, cohort in plan.study.cohorts.items()},
        "tasks": {name: task.model_dump(mode="json") for name, task in plan.study.tasks.items()},
    }


def _audit(plan: Plan) -> Files:
    groups = [f"{plan.results}/quality/groups.parquet"]
    return _duplicates(plan) | _manifests(plan) | {"groups": groups, "splits": plan.splits}


def _comparisons(plan: Plan) -> Files:
    return {"comparisons": [f"{plan.results}/comparisons/{name}.csv" for (name,) in plan.compared]}


def _ablated(plan: Plan) -> Files:
    runs = dict.fromkeys(run for ablation in plan.ablated for run in ablation.runs)
    return {"predictions": plan.predictions(runs)}


def _ablations(plan: Plan) -> dict[str, Any]:
    shared = {"resamples", "interval", "confidence", "seed"}
    listed = [
        {
            "experiment": ablation.experiment,
            "of": ablation.of,
            "entry": ablation.entry,
            "runs": [run.name for run in ablation.runs],
        }
        for ablation in plan.ablated
    ]
    tasks = {name: task.model_dump(mode="json") for name, task in plan.study.tasks.items()}
    return {
        "ablated": listed,
        "evaluation": plan.study.evaluation.model_dump(mode="json", include=shared),
        "tasks": tasks,
    }


def _laboratories(plan: Plan) -> dict[str, Any]:
    names = dict.fromkeys(run.cohort for run in plan.runs)
    return {"laboratories": {name: plan.study.laboratories(name) for name in names}}


def _swept(plan: Plan) -> Files:
    runs = dict.fromkeys(run for *_, some in plan.swept for run in some)
    return {"predictions": plan.predictions(runs)}


def _sweeps(plan: Plan) -> dict[str, Any]:
    listed = [
        {"experiment": name, "variant": model, "of": variant.of, "values": variant.values,
         "runs": [run.name for run in runs]}
        for name, model, variant, runs in plan.swept
    ]  # fmt: skip
    return {"swept": listed}


def _exports(plan: Plan) -> Files:
    return {"exports": [f"{plan.results}/parts/export/{name}.json" for name in exported_runs(plan.study)]}


def _attending(plan: Plan) -> Files:
    runs = [run for some in plan.attending.values() for run in some]
    return {"attention": plan.run_files(runs, "feature_attention.parquet")}


def _nothing_explained(plan: Plan) -> Sequence[Panel]:
    # A study that explains nothing has a table without rows.
    return list(plan.explained) or [("nothing",)]


PARTS_OF: dict[str, Callable[[Plan], Sequence[Panel]]] = {
    "scores": lambda plan: plan.panels,
    "probes": lambda plan: plan.probed,
    "shortcuts": lambda plan: plan.main_panels,
    "statistics": lambda plan: plan.tested,
    "leakage": lambda plan: plan.trained,
    "leaks": lambda plan: plan.trained,
    "assessment": lambda plan: plan.main_panels,
    # Without such a run, the first panel or experiment gives a table without rows.
    "robustness": lambda plan: plan.robustness_panels or plan.panels[:1],
    "remedies": lambda plan: plan.remedied,
    "profile": lambda plan: plan.profiled,
    "explanations": _nothing_explained,
    "abstention": lambda plan: plan.main_panels,
    "gate": lambda plan: plan.gated,
}
"""For each kind of parts, the panels whose parts a study has, in the order of the table."""
TABLES = (
    TableSpec(
        "scores", "scores", "details", "stats.scores.SCORE_COLUMNS",
        "A metric of one run on one target, role and subset of images, over all classes or of one. It has a row for "
        "each kind of interval. Counts of images are among the metrics.",
    ),
    TableSpec(
        "leaderboard", "table", "leaderboards", "stats.leaderboard.LEADERBOARD_COLUMNS",
        "A model on one cohort, task, view and protocol: metrics on the cohort's own test images, means over folds "
        "and seeds, with intervals; what the model started from, its recipe, and the metrics as published.",
        "stats.leaderboard.leaderboard_table", _scores, _published,
    ),
    TableSpec(
        "class_report", "table", "details", "stats.classes.COLUMNS",
        "A class of a model on its cohort's own test images against the rest: measures, means and standard deviations "
        "over runs, and number of images; then the averages over classes, plain and weighted by images, and the "
        "standard deviation over classes.",
        "stats.classes.class_report_table", lambda plan: {"scores": [plan.table("scores")]},
    ),
    TableSpec(
        "intervals", "table", "statistics", "stats.interval_kinds.COLUMNS",
        "A metric of a model on its cohort's own test images with one kind of interval: from images drawn one by one, "
        "by groups or within classes, by Wilson's formula, or over seeds.",
        "stats.interval_kinds.interval_kinds_table", lambda plan: {"scores": [plan.table("scores")]},
        lambda plan: {"confidence": plan.study.evaluation.confidence},
    ),
    TableSpec(
        "dynamics", "table", "details", "stats.dynamics.COLUMNS",
        "A network on one cohort, task, view and protocol: how its training went, means over folds and seeds.",
        "stats.dynamics.dynamics_table", lambda plan: {"histories": plan.run_files(plan.runs, "history.csv")},
        shown=True,
    ),
    TableSpec(
        "external", "table", "external", "stats.leaderboard.EXTERNAL_COLUMNS",
        "A model on another cohort than its own: metrics with intervals, on all labelled images and on those without "
        "a copy among the images that it was trained on. A study without external cohorts has a shorter header and no "
        "row.",
        "stats.leaderboard.external_table", _scores,
    ),
    TableSpec(
        "laboratories", "table", "external", "stats.laboratories.COLUMNS",
        "A model on a laboratory of which it has seen nothing, or the mean over these: accuracy with its interval, and "
        "what the same runs reach on the laboratories that they were trained on. No row in a study without protocol "
        "`laboratory`.",
        "stats.laboratories.laboratories_table", lambda plan: {"scores": [plan.table("scores")]}, _laboratories,
        shown=True,
    ),
    TableSpec(
        "cohorts", "table", "cohorts", "quality.tables.COHORT_COLUMNS",
        "A fact of a cohort, measured and published: numbers of images, files, rejects, duplicates, scale bars and "
        "names that look alike; warnings; medians of quality.",
        "quality.tables.cohorts_table", _cohorts, _cohorts_and_tasks,
    ),
    TableSpec(
        "label_conflicts", "table", "cohorts", "quality.tables.CONFLICT_COLUMNS",
        "A pair of copies, within a cohort or across two, whose labels differ.",
        "quality.tables.label_conflicts_table", _duplicates, lambda plan: {"measured": plan.measured},
    ),
    TableSpec(
        "audit", "table", "splits", "quality.tables.AUDIT_COLUMNS",
        "A fold of a split: images in each role, and how many test images share a duplicate, acquisition or patient "
        "with training or validation images.",
        "quality.tables.audit_table", _audit,
    ),
    TableSpec(
        "composition", "table", "splits", "quality.composition.COLUMNS",
        "A class in a fold of a split: its images in each role.",
        "quality.composition.composition_table", lambda plan: {"splits": plan.splits}, shown=True,
    ),
    TableSpec(
        "comparisons", "table", "leaderboards", "stats.compare.COLUMNS",
        "A model of an experiment against the experiment's reference: paired difference in accuracy on the same test "
        "images, interval, p-values, and the difference as published.",
        "stats.compare.comparisons_table", _comparisons,
    ),
    TableSpec(
        "ablation", "table", "variants", "stats.ablation.COLUMNS",
        "A model as it is (`whole`), or without one part of it or of the chain of its pictures: accuracy and macro F1, "
        "and paired differences to the whole on the same test images, with intervals.",
        "stats.ablation.ablation_table", _ablated, _ablations,
    ),
    TableSpec(
        "sweeps", "table", "variants", "stats.sweeps.COLUMNS",
        "A variant of a sweep: its accuracy and loss on validation images, by which one is chosen, and what it does on "
        "test images. Numbers on test images of those that are not chosen are no result: they chose nothing.",
        "stats.sweeps.sweeps_table", _swept, _sweeps,
    ),
    TableSpec(
        "selection_methods", "table", "features", "stats.selections.COLUMNS",
        "A model on features chosen by one method: accuracy with its interval, macro F1 and macro AUC on test images, "
        "as in the leaderboard.",
        "stats.selections.selection_methods_table", lambda plan: {"leaderboard": [plan.table("leaderboard")]},
        lambda plan: {"chosen": plan.chosen},
    ),
    TableSpec(
        "segmentation", "cell_tables", "cells", "cells.tables.COLUMNS",
        "A segmenter on the masks of one source: a measure of overlap of cells or nuclei, mean over held-out images, "
        "with its interval.",
    ),
    TableSpec(
        "instances", "cell_tables", "cells", "cells.tables.COLUMNS",
        "A segmenter on one source whose masks tell cells apart: cells found and missed, average precision, errors of "
        "counting.",
    ),
    TableSpec(
        "masks", "cell_tables", "cells", "cells.tables.COLUMNS",
        "A source of masks: how many are used, hold no cell, and are rejected, whole and by reason.",
    ),
    TableSpec(
        "cells", "cell_tables", "cells", "cells.tables.COLUMNS",
        "A measure of the white cells of a cohort, whole or of one label: numbers of images and cells, quartiles.",
    ),
    TableSpec(
        "selection", "cell_tables", "features", "cells.tables.COLUMNS",
        "One of the leading features of a selection: its rank and score.",
    ),
    TableSpec(
        "stability", "cell_tables", "features", "cells.tables.COLUMNS",
        "Agreement of two rankings, each made without another part of the training images, by number of features.",
    ),
    TableSpec(
        "neighbours", "cell_tables", "features", "cells.tables.COLUMNS",
        "What the nearest neighbours of images in the space of features share, and what chance would give.",
    ),
    TableSpec(
        "statistics", "statistics", "statistics", "stats.comparisons.COLUMNS",
        "A test between models of an experiment, or of all of them: what it compares, statistic, p-value, adjusted "
        "p-value, and what it cannot say.",
    ),
    TableSpec(
        "ranks", "statistics", "statistics", "stats.comparisons.RANK_COLUMNS",
        "A model of an experiment: its mean rank by accuracy over blocks, and the critical difference.",
    ),
    TableSpec(
        "leakage", "leakage", "leakage", "audits.leakage.COLUMNS",
        "A model under one split, on one target: accuracy on all images, on copies of images that it was trained on or "
        "on the rest; and its difference to images split at random, or to the rest.",
    ),
    TableSpec(
        "leaks", "leaks", "leakage", "audits.leaks.COLUMNS",
        "A model under a protocol with a leak made on purpose (`leaky_...`) against the same division without it: a "
        "metric with the leak and without, on the same test images, and the difference with its interval.", shown=True,
    ),
    TableSpec(
        "calibration", "assessment", "assessment", "stats.assess.COLUMNS",
        "A run on one target, its probabilities as trained or after a calibrator, over all classes or of one: "
        "measures of calibration, some with intervals.",
    ),
    TableSpec(
        "reliability", "assessment", "assessment", "stats.assess.COLUMNS",
        "A bin of the confidence of a model, or of its probability of one class: number of images, mean probability, "
        "share that came true. Folds and seeds are pooled.",
    ),
    TableSpec(
        "discrimination", "assessment", "assessment", "stats.assess.COLUMNS",
        "A run on one target, for one class against the rest or an average over classes: areas under its curves, with "
        "intervals.",
    ),
    TableSpec(
        "errors", "assessment", "assessment", "stats.assess.COLUMNS",
        "A run on one target: accuracy and agreement, which classes it confuses, and its confidence when right and "
        "when wrong.",
    ),
    TableSpec(
        "operating_points", "assessment", "assessment", "stats.assess.COLUMNS",
        "A threshold for one class of a run, chosen on validation images: sensitivity and specificity on one target.",
    ),
    TableSpec(
        "prevalence", "assessment", "assessment", "stats.assess.COLUMNS",
        "A run on one target if one class made up another share of the images: accuracy and predictive values.",
    ),
    TableSpec(
        "precision_recall", "assessment", "assessment", "stats.assess.COLUMNS",
        "A run on one target, for one class against the rest or the mean over classes: a measure of its "
        "precision-recall curve, of F1 by threshold, or of how far its scores come true.",
    ),
    TableSpec(
        "pairs", "assessment", "assessment", "stats.assess.COLUMNS",
        "A pair of classes of a run on one target: how often they are taken for each other, as a share of the images "
        "of both and of all errors.",
    ),
    TableSpec(
        "probes", "probes", "shortcuts", "audits.probes.PROBE_COLUMNS",
        "A classifier that sees no shape of a cell, under one split: what it sees, and its accuracy with interval.",
    ),
    TableSpec(
        "shortcut_audit", "shortcuts", "shortcuts", "audits.shortcuts.AUDIT_COLUMNS",
        "A model: its accuracy, how much of it probes reach, what other stains leave of it, and the verdict.",
    ),
    TableSpec(
        "stain_swap", "shortcuts", "shortcuts", "audits.shortcuts.PANEL model audits.swap.SWAP_COLUMNS",
        "A model on test images in other stains, by whose stain it is: accuracy, and share of predictions that "
        "change.",
    ),
    TableSpec(
        "neutralised", "shortcuts", "shortcuts", "audits.shortcuts.PANEL model audits.swap.NEUTRAL_COLUMNS",
        "A model on test images from which one shortcut was taken: accuracy before and after, and the difference.",
    ),
    TableSpec(
        "robustness", "robustness", "robustness", "audits.robustness.COLUMNS",
        "A metric of a model on test images changed in one way and strength, or a mean over kinds of changes, with "
        "its interval.",
    ),
    TableSpec(
        "modules", "robustness", "robustness", "audits.modules.COLUMNS",
        "A module of attention of a run on changed test images: a measure of how far it is from itself on the "
        "unchanged ones, median and quartiles over images.",
    ),
    TableSpec(
        "sample_size", "sample_size", "robustness", "stats.sample_size.COLUMNS",
        "A metric of a model trained on a share of the training images, mean over its runs, with its interval.",
    ),
    TableSpec(
        "remedies", "remedies", "robustness", "audits.remedies.COLUMNS",
        "A model or view of an experiment on changed test images: accuracy, and its difference to the reference on "
        "the same images, with interval.",
    ),
    TableSpec(
        "efficiency", "profile", "efficiency", "cost.efficiency.COLUMNS",
        "A model on one cohort, task, view and protocol: size, operations, time, memory, energy and training, from "
        "what a network reads to the answer: of a model on features both networks, the fusion stack, the scaling, the "
        "choice and the classifier. The time of the view's operations before is `chain_ms`.",
    ),
    TableSpec(
        "accuracy_and_cost", "table", "efficiency", "cost.accuracy.COLUMNS",
        "A model on one cohort, task, view and protocol: its accuracy and what it costs.",
        "cost.accuracy.accuracy_and_cost_table",
        lambda plan: {name: [plan.table(name)] for name in ("leaderboard", "efficiency")},
    ),
    TableSpec(
        "components", "components", "methods", "steps.components.COLUMNS",
        "A component of a network as it is built, in the order of running: shapes of what it takes and gives, which "
        "components that comes from, and its parameters. One network stands for each architecture.",
    ),
    TableSpec(
        "energy", "profile", "efficiency", "cost.efficiency.ENERGY_COLUMNS",
        "A run: energy of the arithmetic for one image by counted operations, also as a spiking network and without "
        "spikes.",
    ),
    TableSpec(
        "layers", "profile", "efficiency", "cost.efficiency.LAYER_COLUMNS",
        "A layer of a network that multiplies: parameters and operations for one image.",
    ),
    TableSpec(
        "speed", "profile", "efficiency", "cost.efficiency.SPEED_COLUMNS",
        "A network on one device and batch size: times of passes, images a second, memory.",
    ),
    TableSpec(
        "formats", "table", "efficiency", "cost.formats.COLUMNS",
        "An exported model in one form (PyTorch, ONNX, ONNX with 8-bit integers): its size, time and accuracy, and how "
        "far it agrees with PyTorch.",
        "cost.formats.formats_table", _exports, shown=True,
    ),
    TableSpec(
        "passes", "profile", "efficiency", "cost.efficiency.PASS_COLUMNS",
        "A pass of a network over one image on one device: its time.",
    ),
    TableSpec(
        "pruning", "profile", "efficiency", "cost.efficiency.PRUNING_COLUMNS",
        "A network whose blocks training may leave out: its cost with all of them, and what leaving some out saves. "
        "No row for other networks.", shown=True,
    ),
    TableSpec(
        "explanations", "explanations", "explanations", "explain.tables.COLUMNS",
        "A score of the heat maps of a run and method, over all, right or wrong answers, with its interval.",
    ),
    TableSpec(
        "feature_attention", "table", "features", "explain.features.COLUMNS",
        "One of the features that a model attends to most, over the test images of one class or of all: attention, "
        "effect, and the feature's place in the ranking.",
        "explain.features.feature_attention_table", _attending,
    ),
    TableSpec(
        "published_vs_reproduced", "published", "published", "papers.published.COLUMNS",
        "A published number and its counterparts here: under images split at random and under the strictest other "
        "split, whether they are comparable, and what differs.",
    ),
    TableSpec(
        "published_checks", "published", "published", "papers.checks.COLUMNS",
        "A check of published numbers by arithmetic alone: what is printed, what follows, and whether both can be.",
    ),
    TableSpec(
        "literature", "table", "published", "papers.literature.COLUMNS",
        "An accuracy next to others of the same paper: of another work that the paper cites, of the paper itself, or "
        "measured in this study.",
        "papers.literature.literature_table",
        lambda plan: {"published_vs_reproduced": [plan.table("published_vs_reproduced")]},
    ),
    TableSpec(
        "readings", "table", "published", "papers.readings.COLUMNS",
        "A reading of the 18.1 million parameters that the paper of ResNet50 + HMSCAM prints: parameters by component, "
        "their sum, and whether it may have been printed so.",
        "papers.readings.readings_table", shown=True,
    ),
    TableSpec(
        "paper_figures", "paper_figures", "published", "steps.paper_figures.COLUMNS",
        "A figure of a paper: the file that shows the same here and how it differs, or why there is none.",
    ),
    TableSpec(
        "abstention", "abstention", "abstention",
        "core.runs.RUN_COLUMNS steps.abstain.WHERE audits.selective.COLUMNS",
        "A run on one target if it answers only the images of which it is surest: accuracy by share answered, share "
        "by accuracy, areas under the curve of risk, and what thresholds from validation images do.",
    ),
    TableSpec(
        "conformal", "abstention", "abstention",
        "core.runs.RUN_COLUMNS steps.abstain.WHERE audits.conformal.COLUMNS",
        "Prediction sets of a run on one target, over all images or those of one class: promised and measured "
        "coverage with interval, size of the sets.",
    ),
    TableSpec(
        "held_out_calibration", "abstention", "abstention", "audits.held_out.COLUMNS",
        "A model and seed on the test images of all folds together, its probabilities as trained, calibrated on "
        "validation images or on groups left out, by level: calibration error, coverage of prediction sets, answers "
        "above the least confidence. Empty if a protocol has one fold.",
    ),
    TableSpec(
        "novelty", "abstention", "abstention", "audits.detection.COLUMNS",
        "A score of strangeness of a run and a kind of image: how well the score tells these from test images, and "
        "how many its threshold refuses.",
    ),
    TableSpec(
        "gate", "gate", "abstention", "audits.gate.COLUMNS",
        "A role, cohort or kind of image at the gate on image quality of one fold: share refused by the whole gate or "
        "one measure, and where images and limits lie.",
    ),
    TableSpec(
        "gate_accuracy", "gate", "abstention", "steps.gate.ACCURACY",
        "A run on one target: accuracy on the images that the gate accepts and on those that it refuses.",
    ),
)  # fmt: skip
"""Every table, in the order in which the report reads them."""
SPECS = {spec.name: spec for spec in TABLES}
NAMES = tuple(SPECS)


def tables_of(kind: str) -> tuple[str, ...]:
    """Names of the tables of a kind, in the order of the catalogue."""
    return tuple(spec.name for spec in TABLES if spec.kind == kind)
