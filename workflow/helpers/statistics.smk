# What is measured of probabilities, tested between models, and where leaks are measured.


def partner_runs(wildcards):
    return partners_of(STUDY, wildcards.experiment)


def partner_predictions(wildcards):
    """Predictions of the experiment's models as trained for tasks of fewer classes."""
    runs = partner_runs(wildcards)
    return PLAN.run_files(runs, "model.json") + own_predictions(runs)


def reference_option(wildcards):
    reference = STUDY.experiments[wildcards.experiment].reference
    return f"--reference {reference}" if reference else ""


def runs_of_task(wildcards):
    return [
        run
        for run in RUNS
        if (run.cohort, run.task) == (wildcards.cohort, wildcards.task)
    ]


def leak_runs(wildcards):
    return PLAN.leak_runs((wildcards.cohort, wildcards.task))


def leak_pairs(wildcards):
    return json.dumps(PLAN.leak_pairs((wildcards.cohort, wildcards.task)))


def task_predictions(wildcards):
    return all_predictions(runs_of_task(wildcards))


def task_targets(wildcards):
    """External cohorts that some run of a cohort and task is tested on."""
    targets = {cohort for run in runs_of_task(wildcards) for cohort in RUNS[run]}
    return sorted(targets - {wildcards.cohort})


def task_splits(runs):
    """An input function: the splits of every protocol of those runs."""

    def files(wildcards):
        start = f"{RESULTS}/splits/{wildcards.cohort}.{wildcards.task}"
        protocols = sorted({run.protocol for run in runs(wildcards)})
        return [f"{start}.{protocol}.parquet" for protocol in protocols]

    return files


def panel_targets(wildcards):
    """Options that name a panel's runs, those tested on the same cohorts together; each's own cohort comes first."""
    together = {}
    for run in runs_in_panel(wildcards):
        together.setdefault(",".join(RUNS[run]), []).append(run)
    return " ".join(
        f"--on {targets} {words_of(runs)}" for targets, runs in together.items()
    )


def assessment_folder(wildcards):
    w = wildcards
    return f"{RESULTS}/parts/assessment/{w.cohort}.{w.task}.{w.view}.{w.protocol}"
