# Abstention, novelty and the gate: which panels and cohorts, and what they read.
from leukoflow.config.plan import checked_runs

NOVELTY_RUNS = set(checked_runs(STUDY, "novelty"))


def targets_of_panel(wildcards):
    """Cohorts that runs of a panel are tested on, the own one first."""
    runs = runs_in_panel(wildcards)
    return list(dict.fromkeys(target for run in runs for target in RUNS[run]))


def predictions_of_panel(wildcards):
    return all_predictions(runs_in_panel(wildcards))


def novelty_runs(wildcards):
    return [run for run in runs_in_panel(wildcards) if run in NOVELTY_RUNS]


def inputs_of_targets(wildcards):
    """What a run's model reads of each cohort that it is tested on."""
    run = parse_run(run_name(wildcards))
    return [file for target in RUNS[run] for file in model_inputs(wildcards, target)]


def inputs_of_targets_option(wildcards):
    run = parse_run(run_name(wildcards))
    images = STUDY.models[wildcards.model].features is None
    files = [model_inputs(wildcards, target)[0] for target in RUNS[run]]
    return f"--{'view' if images else 'features'} {' '.join(files)}"


def qualities_of_targets(wildcards):
    return [
        f"{RESULTS}/cohorts/{target}/quality.parquet"
        for target in targets_of_panel(wildcards)
    ]
