"""The figures of a study: of each its name, panels, sources, the function that draws it, caption and section.

From this list come the rule that draws figures, the list of what a study draws, the captions of both reports and the
reference of results. A figure of a new kind is one entry here and one function in `leukoflow.figures`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from leukoflow.config.plan import runs_of
from leukoflow.outputs.plan import PARTS, Panel, Plan, panel_of
from leukoflow.outputs.tables import Files


def _nothing(plan: Plan, panel: Panel) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class FigureSpec:
    """What is known of one kind of figure."""

    name: str
    """First part of the file's name; the parts of the panel follow it."""
    panels: Callable[[Plan], Iterable[Panel]]
    """Panels of which a study draws one."""
    draw: str
    """Function below `leukoflow.figures`, as MODULE.FUNCTION; it takes `Inputs` and returns the figure and a table."""
    reads: Callable[[Plan, Panel], Files]
    """Files that it is drawn from, by name."""
    section: str
    """Section of the report."""
    caption: str
    """`{0}`, `{1}`, ... stand for the parts of the panel; "95 %" becomes the study's level of confidence."""
    settings: Callable[[Plan, Panel], dict[str, Any]] = _nothing
    """What else it depends on; the panel is added."""
    part: str = ""
    """Name of the one part of its panels, if that is not an experiment."""
    shown: bool = False
    """Whether the report shows it as it is, below its section."""


def figures_of(plan: Plan) -> dict[str, tuple[FigureSpec, Panel]]:
    """Every figure of a study by the name of its file, without suffix, in the order of the catalogue."""
    drawn = {}
    for spec in FIGURES:
        for panel in spec.panels(plan):
            drawn[".".join((spec.name, *panel))] = (spec, tuple(panel))
    return drawn


def settings_of(plan: Plan, spec: FigureSpec, panel: Panel) -> dict[str, Any]:
    """What a figure depends on besides its files: the panel's parts by name, and what its entry adds."""
    return {"panel": dict(zip(parts_of(spec, panel), panel, strict=True)), **spec.settings(plan, panel)}


def parts_of(spec: FigureSpec, panel: Panel) -> tuple[str, ...]:
    """Names of the parts of a figure's panel."""
    return (spec.part,) if spec.part else PARTS[len(panel)]


def caption_of(name: str, confidence: float) -> str:
    """Caption of the figure with this file name (without suffix); KeyError if the catalogue has no such figure."""
    family, *parts = name.split(".")
    caption = CAPTIONS[family].format(*parts)
    return caption.replace("95 %", f"{100 * confidence:g}\N{NO-BREAK SPACE}%")


def _task(plan: Plan, panel: Panel) -> dict[str, Any]:
    return {"task": plan.study.tasks[panel[1]].model_dump(mode="json")}


def _embedding(plan: Plan, panel: Panel) -> dict[str, Any]:
    return _task(plan, panel) | {"embedding": plan.study.evaluation.embedding}


def _pixels(plan: Plan, panel: Panel) -> dict[str, Any]:
    cohort = plan.study.cohorts[panel[0]]
    return _task(plan, panel) | {
        "root": plan.roots[panel[0]],
        "max_pixels": getattr(cohort, "max_pixels", 100_000_000),
    }


def _assessed(plan: Plan, panel: Panel) -> dict[str, Any]:
    return _task(plan, panel) | {"fewest": plan.study.evaluation.assessment.fewest}


def _published(plan: Plan, panel: Panel) -> dict[str, Any]:
    models = plan.study.models.items()
    return {"published": {name: model.published[panel[1]] for name, model in models if model.published.get(panel[1])}}


def _counted(plan: Plan, panel: Panel) -> dict[str, Any]:
    return {"models": {name: plan.study.models[name].model_dump(mode="json") for name in plan.counted(panel)}}


def _planted(plan: Plan, panel: Panel) -> dict[str, Any]:
    return {"planted": plan.planted}


def _tables(*names: str) -> Callable[[Plan, Panel], Files]:
    """Tables of the study."""
    return lambda plan, panel: {name: [plan.table(name)] for name in names}


def _parts(kind: str, *names: str) -> Callable[[Plan, Panel], Files]:
    """Tables of the panel, before all of a kind are gathered."""
    return lambda plan, panel: {name: [plan.part(kind, panel, name)] for name in names}


def _manifest(plan: Plan, panel: Panel) -> Files:
    return {"manifest": [f"{plan.results}/cohorts/{panel[0]}/manifest.parquet"]}


def _samples(plan: Plan, panel: Panel) -> Files:
    return _manifest(plan, panel) | {"view": [plan.view_file(panel[0], plan.plain)]}


def _views(plan: Plan, panel: Panel) -> Files:
    return _manifest(plan, panel) | {"views": [plan.view_file(panel[0], name) for name in plan.whole_views(panel[0])]}


def _chain(plan: Plan, panel: Panel) -> Files:
    files = {"files": [f"{plan.results}/cohorts/{panel[0]}/files.parquet"]}
    labels = plan.label_maps(panel[0]) if plan.study.views[panel[2]].needs_cells else []
    return _manifest(plan, panel) | files | {"labels": labels, "stains": plan.stains(panel[0], panel[2])}


def _chain_settings(plan: Plan, panel: Panel) -> dict[str, Any]:
    return _pixels(plan, panel) | {"view": plan.study.views[panel[2]].model_dump(mode="json")}


def _duplicates(plan: Plan, panel: Panel) -> Files:
    views = [plan.view_file(name, plan.plain) for name in plan.measured]
    return {"duplicates": [f"{plan.results}/quality/duplicates.parquet"], "views": views}


def _cells(plan: Plan, panel: Panel) -> Files:
    return {"cells": [f"{plan.results}/cells/{panel[0]}/cells.parquet"]}


def _fields(plan: Plan, panel: Panel) -> Files:
    return _samples(plan, panel) | _cells(plan, panel)


def _stages(plan: Plan, panel: Panel) -> Files:
    normalised, processed = ([plan.view_file(panel[0], name)] if name else [] for name in plan.staged(panel[0]))
    images = [f"{plan.results}/cells/{panel[0]}/images.parquet"]
    augmented = [f"{plan.results}/augmented/{'.'.join(panel)}/000.npy"] if plan.augmenting(*panel) else []
    others = {"normalised": normalised, "processed": processed, "augmented": augmented}
    return _fields(plan, panel) | {"images": images, **others}


def _augmented(plan: Plan, panel: Panel) -> dict[str, Any]:
    run = plan.augmenting(*panel)
    return _task(plan, panel) | ({"augmented_for": run.model} if run else {})


def _archive(plan: Plan, panel: Panel) -> Files:
    folder = f"{plan.results}/masks/{panel[0]}"
    return _fields(plan, panel) | {"masks": [f"{folder}/parts.npy"], "index": [f"{folder}/index.parquet"]}


def _morphology(plan: Plan, panel: Panel) -> Files:
    return _manifest(plan, panel) | _cells(plan, panel)


def _gallery(plan: Plan, panel: Panel) -> Files:
    return _morphology(plan, panel) | {"files": [f"{plan.results}/cohorts/{panel[0]}/files.parquet"]}


def _module_images(plan: Plan, panel: Panel) -> Files:
    runs = [run for run in plan.robustness_runs if plan.has_modules(run) and panel_of(run) == panel]
    return {"images": plan.run_files(runs, "module_images.parquet")}


def _histories(plan: Plan, panel: Panel) -> Files:
    return {"histories": plan.run_files(plan.runs_in(panel), "history.csv")}


def _selections(plan: Plan, panel: Panel) -> Files:
    chosen = plan.selections_in(panel)
    return {
        "rankings": plan.selection_files(chosen, "ranking.csv"),
        "stabilities": plan.selection_files(chosen, "stability.csv"),
    }


def _boxes(plan: Plan, panel: Panel) -> Files:
    first = {run.model: run for run in reversed(plan.selections_in(panel))}
    chosen = [first[name] for name in sorted(first)]
    return {
        "boxes": plan.selection_files(chosen, "boxes.csv"),
        "descriptions": plan.selection_files(chosen, "features.json"),
    }


def _experiment_curves(plan: Plan, panel: Panel) -> Files:
    panels = dict.fromkeys(panel_of(run) for run in runs_of(plan.study, panel[0]))
    return {"curves": [plan.part("assessment", member, "curves") for member in panels if member in plan.main_panels]}


def _experiment_models(plan: Plan, panel: Panel) -> dict[str, Any]:
    return {"models": list(plan.study.experiments[panel[0]].models)}


def matrices_of(plan: Plan, panel: Panel) -> Files:
    """Scaled features of the cohort itself, of each entry's first fold and seed, and what describes them."""
    first = {run.model: run for run in reversed(plan.selections_in(panel))}
    chosen = [first[name] for name in sorted(first)]
    return _manifest(plan, panel) | {
        "groups": [f"{plan.results}/quality/groups.parquet"],
        "matrices": plan.selection_files(chosen, f"scaled/{panel[0]}.npy"),
        "descriptions": plan.selection_files(chosen, "features.json", "ranking.csv"),
    }


def _gates(plan: Plan, panel: Panel) -> Files:
    protocols = sorted({run.protocol for run in plan.runs_in(panel)})
    return {"gate": [plan.part("gate", (*panel, protocol), "gate") for protocol in protocols]}


def _explained(plan: Plan, panel: Panel) -> Files:
    runs = plan.explained[panel]
    maps = plan.label_maps(panel[0])
    return {
        "view": [plan.run_view(panel[0], runs[0])],
        "explained": plan.run_files(runs, "explain.parquet"),
        "heat": plan.run_files(runs, "explain.npy"),
        "labels": maps,
    }


def _attention_maps(plan: Plan, panel: Panel) -> Files:
    maps = f"{plan.results}/attention_maps/{'.'.join(panel)}.parquet"
    return {"maps": [maps], "view": [plan.run_view(panel[0], plan.attended[panel][0])]}


def _attention(plan: Plan, panel: Panel) -> Files:
    return {"attention": plan.run_files(plan.attending[panel], "feature_attention.parquet")}


def _comparisons(plan: Plan, panel: Panel) -> Files:
    return {"comparisons": [f"{plan.results}/comparisons/{panel[0]}.csv"]}


def _leakage(plan: Plan, panel: Panel) -> Files:
    return {"leakage": [plan.part("leakage", panel[:2], "leakage")]}


def _whole_study(plan: Plan) -> list[Panel]:
    return [()]


FIGURES = (
    FigureSpec(
        "leaderboard", _whole_study, "leaderboard.draw_leaderboard", _tables("leaderboard"), "leaderboards",
        "Accuracy on test images with 95 % intervals, the colour baseline on top and as a broken line.",
    ),
    FigureSpec(
        "duplicates", _whole_study, "duplicates.draw_duplicates", _duplicates, "cohorts",
        "Pairs found to be duplicates: bits by which their hashes differ, and correlation of their pixels.",
    ),
    FigureSpec(
        "composition", lambda plan: plan.trained, "composition.draw_composition", _tables("composition"), "splits",
        "Classes in each role of the splits of {0}, as shares of the role's images, over all folds. Numbers are images "
        "in a fold.",
        _task, shown=True,
    ),
    FigureSpec(
        "comparison", lambda plan: plan.compared, "comparison.draw_comparison", _comparisons, "leaderboards",
        "Models of experiment {0} against its reference: difference in accuracy on the same test images with "
        "95 % intervals, and p-values adjusted for the number of models. Hollow: the difference as published.",
    ),
    FigureSpec(
        "architecture", lambda plan: [(model,) for model in plan.architectures], "architecture.draw_architecture",
        _tables("components"), "methods",
        "Components of {0} as it is built, for one picture: what each gives (channels x height x width, or tokens x "
        "width) and its parameters. Small ones join the outputs of others.",
        part="model", shown=True,
    ),
    FigureSpec(
        "views", lambda plan: plan.trained, "samples.draw_views", _views, "views",
        "One image of each class in {0}, in every view that a network may be given.",
        _task,
    ),
    FigureSpec(
        "chain", lambda plan: plan.chained, "chains.draw_chain", _chain, "views",
        "View {2} step by step on an image of each class of {0}, with the time of one image up to each step, on one "
        "thread.",
        _chain_settings, shown=True,
    ),
    FigureSpec(
        "samples", lambda plan: plan.shown, "samples.draw_samples", _samples, "cohorts",
        "Sample images of each class in {0}, evenly spaced along its list, as the plain view shows them.",
        _task,
    ),
    FigureSpec(
        "learning", lambda plan: plan.network_views, "learning.draw_learning", _histories, "details",
        "Learning curves on {0}, {2} view: training broken, validation solid; mean and range of runs.",
    ),
    FigureSpec(
        "confusion", lambda plan: plan.main_panels, "confusion.draw_confusion", _parts("scores", "confusion"),
        "details", "Confusion matrices on {0}, {2} view, {3} split: shares of each true class, and counts.",
    ),
    FigureSpec(
        "roc", lambda plan: plan.network_panels, "curves.draw_roc", _parts("assessment", "curves"), "details",
        "ROC curves on {0}, {2} view, {3} split: each class against the rest, with bands that hold 95 % of "
        "resamples over groups of images; folds and seeds are pooled. Insets enlarge the corner. Marks, and numbers "
        "behind TPR: true positive rates at false positive rates of 0.01 and 0.05.",
        _task,
    ),
    FigureSpec(
        "roc_models", lambda plan: plan.reading, "roc_models.draw_roc_models", _experiment_curves, "details",
        "ROC curves of the models of experiment {0}, macro averages over classes; the colour baseline is broken. Those "
        "of the largest areas are in colours. Marks: true positive rates at false positive rates of 0.01 and 0.05.",
        _experiment_models, shown=True,
    ),
    FigureSpec(
        "pr", lambda plan: plan.network_panels, "curves.draw_pr", _parts("assessment", "curves"), "details",
        "Precision-recall curves on {0}, {2} view, {3} split: each class against the rest, with such bands.",
        _task,
    ),
    FigureSpec(
        "reliability", lambda plan: plan.network_panels, "reliability.draw_reliability",
        _parts("assessment", "reliability", "calibration"), "assessment",
        "Accuracy against confidence on {0}, {2} view, {3} split, as trained and with a temperature fitted "
        "on validation images; below the diagonal confidence is too high. Pale: bins of few images. Upright lines: "
        "95 % intervals, images taken for independent. Grey: shares of images.",
        _assessed,
    ),
    FigureSpec(
        "reliability_classes", lambda plan: plan.network_panels, "reliability.draw_reliability_classes",
        _parts("assessment", "reliability", "calibration"), "assessment",
        "Share of each class against its mean probability on {0}, {2} view, {3} split, and Brier "
        "scores of each class against the rest. Pale: bins of few images.",
        _assessed,
    ),
    FigureSpec(
        "confidence", lambda plan: plan.network_panels, "reliability.draw_confidence",
        _parts("assessment", "reliability", "errors"), "assessment",
        "Confidence of right answers (upwards) and of wrong ones (downwards) on {0}, {2} view, {3} split.",
    ),
    FigureSpec(
        "stages", lambda plan: plan.cell_pairs, "stages.draw_stages", _stages, "cells",
        "From picture to white cells in {0}: an image of each class with a typical number of cells, and what a chain "
        "of operations leaves of it, if the study has one. A broken line goes around cells that the edge cuts. Last, "
        "if a model's training changes pictures: one such change, with the seed of the training.",
        _augmented,
    ),
    FigureSpec(
        "contact", lambda plan: plan.cell_pairs, "contact.draw_contact", _fields, "cells",
        "White cells found in {0}: evenly spaced fields of each class. A broken line goes around cells that "
        "the edge cuts.",
        _task,
    ),
    FigureSpec(
        "cells", lambda plan: plan.cell_pairs, "morphology.draw_cells", _morphology, "cells",
        "Morphology of the white cells of {0} by class: distributions, quartiles and medians.",
        _task,
    ),
    FigureSpec(
        "gallery", lambda plan: plan.cell_pairs, "morphology.draw_gallery", _gallery, "cells",
        "Typical white cells of each class in {0}, nearest to their class' medians, at one scale.",
        _pixels,
    ),
    FigureSpec(
        "archive", lambda plan: [pair for pair in plan.cell_pairs if pair[0] in plan.archives],
        "contact.draw_archive", _archive, "cells",
        "White cells found in {0} next to the masks that the archive came with: what these leave out is dark.",
        _task,
    ),
    FigureSpec(
        "segmentation", lambda plan: [()] if plan.study.segmentation.sources else [],
        "segmentation.draw_segmentation", _tables("segmentation", "instances"), "cells",
        "Overlap with experts' masks by source, on held-out images, with 95 % intervals; hollow where "
        "nothing of the source was trained on.",
    ),
    FigureSpec(
        "selection", lambda plan: plan.selected_panels, "selection.draw_selection", _selections, "features",
        "Leading features on {0}, {2} view, {3} split, with the score at which each was chosen, and how far "
        "the choice agrees between parts of the training images (range over pairs shaded).",
    ),
    FigureSpec(
        "scaling", lambda plan: plan.selected_panels, "scaling.draw_scaling", _boxes, "features",
        "Leading features on {0}, {2} view, {3} split, over the training images before and after scaling: quartiles, "
        "median and extremes.",
    ),
    FigureSpec(
        "embedding", lambda plan: plan.selected_panels, "embedding.draw_embedding", matrices_of, "features",
        "Maps of the features of {0}, {2} view, {3} split, by t-SNE or UMAP as their titles say: the same points by "
        "class and by acquisition cluster.",
        _embedding,
    ),
    FigureSpec(
        "pareto", lambda plan: plan.network_views, "efficiency.draw_pareto", _tables("leaderboard", "efficiency"),
        "efficiency",
        "Accuracy with 95 % intervals on {0}, {2} view, strictest split, against latency, file size and energy. "
        "Filled: no model is at least as good at less cost; the colour baseline in orange. Hollow diamonds: as "
        "published.",
        _published,
    ),
    FigureSpec(
        "throughput", lambda plan: plan.network_views, "efficiency.draw_throughput", _tables("speed"), "efficiency",
        "Latency of one image, and images a second by batch size, on {0}, {2} view. Diamond: as published.",
        _published,
    ),
    FigureSpec(
        "latency", lambda plan: plan.network_views, "latency.draw_latency", _tables("passes"), "efficiency",
        "Times of single passes over one image on {0}, {2} view: how many took how long, up to the 99th percentile.",
        _published, shown=True,
    ),
    FigureSpec(
        "feature_count", lambda plan: plan.counted_views, "feature_count.draw_feature_count", _tables("leaderboard"),
        "features",
        "Accuracy on {0}, {2} view, against the number of features, with 95 % intervals; broken lines are "
        "the colour baseline.",
        _counted,
    ),
    FigureSpec(
        "selection_methods", lambda plan: plan.chosen_views, "selection_methods.draw_selection_methods",
        _tables("selection_methods", "leaderboard"), "features",
        "Accuracy on {0}, {2} view, by the method that chose the features and by their number, with 95 % intervals; "
        "the broken line is the colour baseline.",
    ),
    FigureSpec(
        "ablation", lambda plan: plan.ablated_experiments, "ablation.draw_ablation", _tables("ablation"), "variants",
        "What each part is worth in experiment {0}: accuracy and macro F1 without it less those of the whole, on the "
        "same test images, with 95 % intervals. Left of the line the part helps.",
    ),
    FigureSpec(
        "sweep", lambda plan: plan.swept_experiments, "sweep.draw_sweep", _tables("sweeps"), "variants",
        "Accuracy on validation images by value of each key in experiment {0}: all variants, their best at each value, "
        "and the chosen one (star).",
    ),
    FigureSpec(
        "shortcuts", lambda plan: plan.main_panels, "shortcuts.draw_shortcuts",
        _tables("shortcut_audit", "probes", "leaderboard"), "shortcuts",
        "Shortcut audit on {0}, {2} view, {3} split: models as they are and in other stains, on other views, "
        "and probes that see no cell's shape, with 95 % intervals. The broken line is chance.",
    ),
    FigureSpec(
        "planted", lambda plan: [()] if plan.planted else [], "planted.draw_planted",
        _tables("shortcut_audit", "probes"), "shortcuts",
        "The audit on synthetic cohorts whose stain was made to go with the class: what it finds against how "
        "much was planted, with 95 % intervals.",
        _planted,
    ),
    FigureSpec(
        "sample_size", lambda plan: plan.shared_views, "sample_size.draw_sample_size", _tables("sample_size"),
        "robustness",
        "Accuracy on {0}, {2} view, against the number of training images, with 95 % intervals; bars are "
        "the standard deviation over runs, macro F1 is dotted.",
    ),
    FigureSpec(
        "robustness", lambda plan: plan.robustness_panels, "robustness.draw_robustness",
        _parts("robustness", "robustness"), "robustness",
        "Accuracy on changed test images of {0}, {2} view, {3} split, with 95 % intervals where models "
        "are few; the colour baseline broken. Harm grows to the right, or away from the upright line.",
    ),
    FigureSpec(
        "mutual_information", lambda plan: plan.module_panels, "modules.draw_mutual_information",
        _parts("robustness", "modules"), "robustness",
        "Information that feature maps of changed test images share with those of the unchanged "
        "ones, by module of attention, on {0}, {2} view, {3} split: median and quartiles over images.",
    ),
    FigureSpec(
        "frobenius", lambda plan: plan.module_panels, "modules.draw_frobenius", _parts("robustness", "modules"),
        "robustness",
        "How far attention shifts on changed test images (Frobenius norm of the difference over that of the "
        "unchanged), by module, on {0}, {2} view, {3} split: median and quartiles over images.",
    ),
    FigureSpec(
        "information_images", lambda plan: plan.module_panels, "module_images.draw_information_images", _module_images,
        "robustness",
        "Mutual information of the maps behind all modules between single test images of {0}, {2} view, {3} split, and "
        "the same changed, mean over levels: by frequencies alone (above) and less that of random pairs (below).",
    ),
    FigureSpec(
        "frobenius_images", lambda plan: plan.module_panels, "module_images.draw_frobenius_images", _module_images,
        "robustness",
        "How far attention between positions changes on single test images of {0}, {2} view, {3} split, mean over "
        "levels, with its running mean and straight trend (broken), which are of no order but that of names; and the "
        "information left in the maps behind all modules, by kind of change.",
    ),
    FigureSpec(
        "risk_coverage", lambda plan: plan.main_panels, "abstention.draw_risk_coverage",
        _parts("abstention", "risk_curves"), "abstention",
        "Accuracy on the images that each model is surest of, trained on {0}, {2} view, {3} split.",
    ),
    FigureSpec(
        "conformal", lambda plan: plan.main_panels, "abstention.draw_conformal", _parts("abstention", "conformal"),
        "abstention",
        "Prediction sets of models trained on {0}, {2} view, {3} split: share that holds the true class, with "
        "95 % intervals, against what was promised (broken line).",
    ),
    FigureSpec(
        "novelty", lambda plan: plan.novelty_panels, "novelty.draw_novelty", _parts("abstention", "novelty"),
        "abstention",
        "Images of another kind against test images of {0}, {2} view, {3} split, by four scores, with 95 % "
        "intervals. Shaded: such images look more familiar than test images.",
    ),
    FigureSpec(
        "gate", lambda plan: plan.trained, "novelty.draw_gate", _gates, "abstention",
        "The gate on image quality of {0}: share refused, with 95 % intervals, and of each measure the median and "
        "the middle 90 % of the images, what is accepted shaded.",
    ),
    FigureSpec(
        "thresholds", lambda plan: plan.main_panels, "precision_recall.draw_thresholds",
        _parts("assessment", "precision_recall"), "assessment",
        "F1 of each class against the rest by threshold, and average precision by the share of the class, on {0}, {2} "
        "view, {3} split, means over folds and seeds. Dotted: F1 of 0.90.",
        _task,
    ),
    FigureSpec(
        "explain", lambda plan: plan.explained, "explanations.draw_explain", _explained, "explanations",
        "Where networks look on {0}, {2} view, {3} split: an image of each class that most of them get right, "
        "then each one's own mistakes, in grey under the heat for the predicted class. White cells are outlined.",
        _task,
    ),
    FigureSpec(
        "explain_scores", lambda plan: plan.explained, "explanations.draw_explain_scores",
        _parts("explanations", "explanations"), "explanations",
        "What the heat maps on {0}, {2} view, {3} split, are worth, with 95 % intervals. The vertical "
        "line says nothing; triangles are maps that know no network.",
    ),
    FigureSpec(
        "attention_maps", lambda plan: plan.attended, "attention_maps.draw_attention_maps", _attention_maps,
        "explanations",
        "What attention makes of feature maps on {0}, {2} view, {3} split, on a test image of each class: the three "
        "channels (numbers above) that differ most between positions before attention, the same channels behind it, "
        "and such channels of a network of that architecture without attention, if there is one. That twin was "
        "trained by itself: its channels are others.",
        _task, shown=True,
    ),
    FigureSpec(
        "feature_attention", lambda plan: plan.attending, "feature_attention.draw_feature_attention", _attention,
        "features",
        "Which ranked features models attend to on {0}, {2} view, {3} split. Left: the features with the most "
        "attention, means over test images with standard deviations (bars) and by class (dots). Right: attention to "
        "every feature by its rank. Broken lines: attention spread evenly. Features share what their token gets, so "
        "those of a last token that is not full get more.",
        _task,
    ),
    FigureSpec(
        "critical_difference", lambda plan: plan.ranked, "ranks.draw_critical_difference",
        _parts("statistics", "ranks"), "statistics",
        "Mean ranks of the models of experiment {0} by accuracy over folds and seeds. Upright bars "
        "join models that Nemenyi's test cannot tell apart.",
    ),
    FigureSpec(
        "leaks", lambda plan: plan.leaky, "leaks.draw_leaks",
        lambda plan, panel: {"leaks": [plan.part("leaks", panel, "leaks")]}, "leakage",
        "What leaks made on purpose are worth on {0}, {1}: what each adds to accuracy and macro F1 on the same test "
        "images, with 95 % intervals. A hollow mark is a leak that changes no answer.", shown=True,
    ),
    FigureSpec(
        "leakage", lambda plan: plan.split_views, "leakage.draw_leakage", _leakage, "leakage",
        "What leaks are worth on {0}, {2} view: accuracy by split, the difference to images divided at random, "
        "and test images with a copy among the learnt ones apart from the others. Whiskers are 95 % intervals.",
    ),
)  # fmt: skip
"""Every kind of figure, in the order of the reports."""
CAPTIONS = {spec.name: spec.caption for spec in FIGURES}
