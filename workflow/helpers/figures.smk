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


def selection_files(names, name):
    return [f"{RESULTS}/selections/{each.name}/{name}" for each in names]


def cell_files(name):
    return [f"{RESULTS}/cells/{cohort}/{name}" for cohort in CELL_COHORTS]


def template_digest():
    """Digest of the report's templates, which are no Python and so in no fingerprint."""
    return tree_digest(os.path.join(SOURCE, "leukoflow", "report", "templates"))
