# What figures and tables are made from, and which there are.


def run_name(wildcards):
    w = wildcards
    return (
        f"{w.cohort}.{w.task}.{w.view}.{w.protocol}.{w.model}.fold{w.fold}.seed{w.seed}"
    )


def run_predictions(wildcards):
    return all_predictions([parse_run(run_name(wildcards))])


def runs_in_panel(wildcards):
    """Runs with the cohort, task, view and (where the figure has one) protocol of a figure."""
    keys = [key for key in PARTS[4] if key in wildcards.keys()]
    panel = [wildcards[key] for key in keys]
    return [run for run in RUNS if [getattr(run, key) for key in keys] == panel]


def all_runs(wildcards):
    return RUNS


def all_selections(wildcards):
    return SELECTIONS


def runs_of_experiment(wildcards):
    return runs_of(STUDY, wildcards.experiment)


def reference_of(wildcards):
    return STUDY.experiments[wildcards.experiment].reference


def published_accuracies(wildcards):
    """Accuracies as published for an experiment's task, by model."""
    asked = STUDY.experiments[wildcards.experiment]
    published = {
        name: STUDY.models[name].published.get(asked.task, {}) for name in asked.models
    }
    known = {
        name: scores["accuracy"]
        for name, scores in published.items()
        if "accuracy" in scores
    }
    return json.dumps(known)


def selection_files(names, name):
    return [f"{RESULTS}/selections/{selection.name}/{name}" for selection in names]


def cell_files(name):
    return [f"{RESULTS}/cells/{cohort}/{name}" for cohort in CELL_COHORTS]


FIGURES = figures_of(PLAN)
FIGURE_FILES = [f"{RESULTS}/figures/{name}.png" for name in FIGURES]


def named_words(files):
    """Files by name as words of a command, NAME=FILE."""
    return " ".join(
        file_words(f"{name}={path}" for path in paths)
        for name, paths in files.items()
        if paths
    )


def in_report(tables):
    """Tables as outputs that Snakemake's own report shows."""
    files = [f"results/{{study}}/tables/{name}.csv" for name in tables]
    return report(files, caption="../report/tables.rst", category="Tables")


def table_inputs(wildcards):
    files = SPECS[wildcards.table].reads(PLAN).values()
    return [path for paths in files for path in paths]


def table_inputs_option(wildcards):
    return named_words(SPECS[wildcards.table].reads(PLAN))


def table_settings(wildcards):
    return json.dumps(SPECS[wildcards.table].settings(PLAN))


def table_function(wildcards):
    return SPECS[wildcards.table].make


def table_code(wildcards):
    """Fingerprint of the step and of the module that makes the table."""
    return code_of("steps.table", table_function(wildcards).rpartition(".")[0])


def figure_inputs(wildcards):
    spec, panel = FIGURES[wildcards.figure]
    return [file for files in spec.reads(PLAN, panel).values() for file in files]


def figure_inputs_option(wildcards):
    spec, panel = FIGURES[wildcards.figure]
    return named_words(spec.reads(PLAN, panel))


def figure_settings(wildcards):
    return json.dumps(settings_of(PLAN, *FIGURES[wildcards.figure]))


def figure_function(wildcards):
    return FIGURES[wildcards.figure][0].draw


def figure_code(wildcards):
    """Fingerprint of the step and of the module that draws: an edit of one figure draws that one again."""
    file = figure_function(wildcards).partition(".")[0]
    return code_of("steps.figure", f"figures.{file}")


def figure_caption(wildcards):
    return caption_of(wildcards.figure, STUDY.evaluation.confidence)


def figure_section(wildcards):
    return TITLES[FIGURES[wildcards.figure][0].section]


def figure_labels(wildcards):
    spec, panel = FIGURES[wildcards.figure]
    parts = dict(zip(PARTS[len(panel)], panel))
    return {"figure": spec.name.replace("_", " "), **parts}
