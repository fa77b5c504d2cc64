# Which runs are explained: networks that see whole pictures, of the first fold and seed.

EXPLAIN_TABLES = ("explanations",)
EXPLAIN_FIGURES = ("explain", "explain_scores")


def sees_pictures(run):
    model = STUDY.models[run.model]
    cells = STUDY.views[run.view].kind == "cells"
    return not (is_baseline(model.architecture) or model.features or cells)


def explained_runs():
    """The first run (fold, then seed) of each model on each cohort, task, view and protocol, by panel."""
    first = {}
    for run in filter(sees_pictures, checked_runs(STUDY, "explain")):
        first.setdefault((*panel_of(run), run.model), run)
    panels = {}
    for run in first.values():
        panels.setdefault(".".join(panel_of(run)), []).append(run)
    return panels


EXPLAINED = explained_runs()
# A study in which nothing is explained has a table of no rows.
EXPLAIN_PARTS = list(EXPLAINED) or ["nothing"]


def explanations_of(panel):
    return EXPLAINED.get(panel, [])


def explain_settings():
    return STUDY.evaluation.explain.model_dump_json()


def panel_text(wildcards):
    w = wildcards
    return f"{w.cohort}.{w.task}.{w.view}.{w.protocol}"


def label_maps(wildcards):
    """The cohort's label maps, where the study looks at cells."""
    if wildcards.cohort not in CELL_COHORTS:
        return []
    names = shard_names(wildcards.cohort)
    return [f"{RESULTS}/cells/{wildcards.cohort}/{name}.npy" for name in names]


def label_maps_option(wildcards):
    if wildcards.cohort not in CELL_COHORTS:
        return ""
    return f"--cells {RESULTS}/cells/{wildcards.cohort}"


def explained_files(runs, names):
    return [f"{RESULTS}/runs/{run.name}/{name}" for run in runs for name in names]


def tables_of_part(wildcards):
    return explained_files(explanations_of(wildcards.panel), ["explain.parquet"])


def runs_of_part(wildcards):
    return [run.name for run in explanations_of(wildcards.panel)]


def files_of_panel(wildcards):
    runs = explanations_of(panel_text(wildcards))
    return explained_files(runs, ["explain.parquet", "explain.npy"])


def explained_names_of_panel(wildcards):
    return [run.name for run in explanations_of(panel_text(wildcards))]
