# Calibration and discrimination: which panels are measured from which predictions.


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
