# The shortcut audit: which panels it covers, and from what.


def probed_splits(wildcards):
    """Splits of every protocol that the cohort's audited panels use."""
    w = wildcards
    protocols = sorted(
        {panel[3] for panel in MAIN_PANELS if panel[:2] == (w.cohort, w.task)}
    )
    return [
        f"{RESULTS}/splits/{w.cohort}.{w.task}.{each}.parquet" for each in protocols
    ]


def checked_in_panel(wildcards):
    return [run for run in runs_in_panel(wildcards) if run in ROBUSTNESS_RUNS]


def checked_names(wildcards):
    return words_of(checked_in_panel(wildcards))


def panel_changed(wildcards):
    return run_files(checked_in_panel(wildcards), "changed.parquet")
