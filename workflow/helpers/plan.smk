# What the tables, the figures and the report cover.


def panel_of(run):
    """What the runs in one figure have in common."""
    return run.cohort, run.task, run.view, run.protocol


RUNS = all_runs(STUDY)
TABLES = (
    "scores",
    "leaderboard",
    "external",
    "cohorts",
    "label_conflicts",
    "audit",
    "comparisons",
)
CELL_TABLES = (
    "segmentation",
    "instances",
    "masks",
    "cells",
    "selection",
    "stability",
    "neighbours",
)
COMPARED = [name for name, each in STUDY.experiments.items() if each.reference]
SPLITS = sorted(
    {f"{RESULTS}/splits/{run.cohort}.{run.task}.{run.protocol}.parquet" for run in RUNS}
)
# The view that samples are shown in: the first plain one.
PLAIN = next(
    (name for name, view in STUDY.views.items() if view.kind == "plain"),
    next(iter(STUDY.views)),
)
# Views of whole pictures; single cells have figures of their own.
ALL_VIEWS = [PLAIN] + [
    name for name, view in STUDY.views.items() if name != PLAIN and view.kind != "cells"
]
NORMALISED = next(
    (name for name, view in STUDY.views.items() if view.kind == "normalised"), None
)
PLAIN_FOLDERS = [view_folder(name, PLAIN) for name in USED_COHORTS]
SHOWN = sorted(
    {(cohort, run.task) for run, cohorts in RUNS.items() for cohort in cohorts}
)
TRAINED = sorted({(run.cohort, run.task) for run in RUNS})
PANELS = sorted({panel_of(run) for run in RUNS})
# Curves are drawn where a network stands beside the colour baseline.
NETWORK_PANELS = [
    panel
    for panel in PANELS
    if not all(is_baseline(run.model) for run in RUNS if panel == panel_of(run))
]
# A panel with nothing but the colour baseline is an audit: it is looked at closely where there is no other.
MAIN_PANELS = NETWORK_PANELS or PANELS
NETWORK_VIEWS = sorted({panel[:3] for panel in NETWORK_PANELS})
# Cells are drawn where something else asks for them: expert masks, an archive's, views or features made from them.
CELL_PAIRS = SHOWN if SOURCES or ARCHIVES or CELL_VIEWS or MORPHOLOGY else []
CELL_COHORTS = sorted({cohort for cohort, _ in CELL_PAIRS})
SCORED = [
    name
    for name in SEGMENTERS
    if scored_on(name) or (ARCHIVES and name == SEGMENTERS[0])
]
# The features that models read, once for every run on other images; the run's model is the entry of section features.
SELECTIONS = sorted(
    {
        dataclasses.replace(run, model=STUDY.models[run.model].features)
        for run in RUNS
        if STUDY.models[run.model].features
    }
)
SELECTED_PANELS = sorted({panel_of(each) for each in SELECTIONS})


def counts_of(view):
    """The family and number of features of the models on a view, where a family has several numbers."""
    models = {run.model for run in RUNS if (run.cohort, run.task, run.view) == view}
    return families({name: STUDY.models[name] for name in sorted(models)})


COUNTED_VIEWS = [view for view in NETWORK_VIEWS if counts_of(view)]
