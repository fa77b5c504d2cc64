# What figures are drawn from, and which there are.


def run_name(wildcards):
    w = wildcards
    return (
        f"{w.cohort}.{w.task}.{w.view}.{w.protocol}.{w.model}.fold{w.fold}.seed{w.seed}"
    )


def run_predictions(wildcards):
    run = parse_run(run_name(wildcards))
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{target}.parquet"
        for target in RUNS[run]
    ]


def run_files(name):
    return [f"{RESULTS}/runs/{run.name}/{name}" for run in RUNS]


def cohort_tables(name):
    return [f"{RESULTS}/cohorts/{cohort}/{name}" for cohort in USED_COHORTS]


def listed_tables(name):
    """The same of cohorts that are listed, not drawn."""
    return [
        file for file in cohort_tables(name) if file.split("/")[-2] not in SYNTHETIC
    ]


def runs_in_panel(wildcards):
    """Runs with the cohort, task, view and (where the figure has one) protocol of a figure."""
    asked = {
        key: value
        for key, value in wildcards.items()
        if key in ("cohort", "task", "view", "protocol")
    }
    return [
        run
        for run in RUNS
        if all(getattr(run, key) == value for key, value in asked.items())
    ]


def panel_histories(wildcards):
    return [
        f"{RESULTS}/runs/{run.name}/history.csv" for run in runs_in_panel(wildcards)
    ]


# Functions, for in plain params Snakemake would take the braces for wildcards.
def all_names(wildcards):
    return words_of(RUNS)


def selection_names(wildcards):
    return words_of(SELECTIONS)


def panel_names(wildcards):
    return words_of(runs_in_panel(wildcards))


def panel_predictions(wildcards):
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{run.cohort}.parquet"
        for run in runs_in_panel(wildcards)
    ]


def experiment_predictions(wildcards):
    """Predictions of an experiment's runs on its own cohort."""
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{run.cohort}.parquet"
        for run in runs_of(STUDY, wildcards.experiment)
    ]


def experiment_names(wildcards):
    return words_of(runs_of(STUDY, wildcards.experiment))


def experiment_models(wildcards):
    return [
        f"{RESULTS}/runs/{run.name}/model.json"
        for run in runs_of(STUDY, wildcards.experiment)
    ]


def reference_of(wildcards):
    return STUDY.experiments[wildcards.experiment].reference


def published_accuracies(wildcards):
    """Accuracies as published for an experiment's task, by model."""
    asked = STUDY.experiments[wildcards.experiment]
    published = {
        name: STUDY.models[name].published.get(asked.task, {}) for name in asked.models
    }
    return json.dumps(
        {
            name: each["accuracy"]
            for name, each in published.items()
            if "accuracy" in each
        }
    )


def summaries_of_all_views(wildcards):
    return [f"{view_folder(wildcards.cohort, name)}/view.json" for name in ALL_VIEWS]


def selections_of(wildcards):
    """Selections of a panel, of every fold and seed."""
    w = wildcards
    return [
        each
        for each in SELECTIONS
        if panel_of(each) == (w.cohort, w.task, w.view, w.protocol)
    ]


def selection_files(names, name):
    return [f"{RESULTS}/selections/{each.name}/{name}" for each in names]


def panel_rankings(wildcards):
    return selection_files(selections_of(wildcards), "ranking.csv")


def panel_stabilities(wildcards):
    return selection_files(selections_of(wildcards), "stability.csv")


def panel_matrices(wildcards):
    """Scaled features of the cohort itself, of each entry's first fold and seed."""
    first = {}
    for each in selections_of(wildcards):
        first.setdefault(each.model, each)
    return selection_files(first.values(), f"scaled/{wildcards.cohort}.npy")


def panel_descriptions(wildcards):
    return [
        file.replace(f"scaled/{wildcards.cohort}.npy", name)
        for file in panel_matrices(wildcards)
        for name in ("features.json", "ranking.csv")
    ]


def cell_files(name):
    return [f"{RESULTS}/cells/{cohort}/{name}" for cohort in CELL_COHORTS]


def normalised_view(wildcards):
    """The summary of the normalised view, where the study has one."""
    if NORMALISED is None:
        return []
    return [f"{view_folder(wildcards.cohort, NORMALISED)}/view.json"]


def normalised_option(wildcards):
    return " ".join(f"--normalised {file}" for file in normalised_view(wildcards))


def count_settings(wildcards):
    """What accuracy against the number of features is drawn from."""
    w = wildcards
    models = {
        name: STUDY.models[name].model_dump(mode="json")
        for name in counts_of((w.cohort, w.task, w.view))
    }
    place = {"cohort": w.cohort, "task": w.task, "view": w.view}
    return json.dumps({**place, "models": models})


def figure_files():
    """Every figure of the study."""
    names = ["leaderboard", "duplicates"]
    names += [f"comparison.{experiment}" for experiment in COMPARED]
    names += [f"views.{cohort}.{task}" for cohort, task in TRAINED]
    names += [f"samples.{cohort}.{task}" for cohort, task in SHOWN]
    names += [f"learning.{'.'.join(panel)}" for panel in NETWORK_VIEWS]
    names += [f"confusion.{'.'.join(panel)}" for panel in MAIN_PANELS]
    names += assessment_figures()
    names += [
        f"{family}.{cohort}.{task}"
        for cohort, task in CELL_PAIRS
        for family in ("stages", "contact", "cells", "gallery")
    ]
    names += [f"archive.{'.'.join(pair)}" for pair in CELL_PAIRS if pair[0] in ARCHIVES]
    names += ["segmentation"] if SOURCES else []
    names += [
        f"{family}.{'.'.join(panel)}"
        for panel in SELECTED_PANELS
        for family in ("selection", "embedding")
    ]
    names += [
        f"{family}.{'.'.join(view)}"
        for view in NETWORK_VIEWS
        for family in PROFILE_FIGURES
    ]
    names += [f"feature_count.{'.'.join(view)}" for view in COUNTED_VIEWS]
    names += SHORTCUT_FIGURES + ["planted"] * bool(PLANTED)
    names += [f"sample_size.{'.'.join(view)}" for view in SHARED_VIEWS]
    names += [f"robustness.{'.'.join(panel)}" for panel in STRESS_PANELS]
    names += [
        f"{family}.{'.'.join(panel)}"
        for panel in MODULE_PANELS
        for family in MODULE_FIGURES
    ]
    names += abstention_figures()
    names += [f"{family}.{panel}" for panel in EXPLAINED for family in EXPLAIN_FIGURES]
    return [f"{RESULTS}/figures/{name}.png" for name in names]


FIGURES = figure_files()


def template_digest():
    """Digest of the report's templates, which are no Python and so in no fingerprint."""
    return tree_digest(os.path.join(SOURCE, "leukoflow", "report", "templates"))
