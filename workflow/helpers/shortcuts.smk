# The shortcut audit: which panels it covers.


def audited_runs(wildcards):
    """Runs of the cohort's audited panels."""
    return [run for run in runs_of_task(wildcards) if panel_of(run) in MAIN_PANELS]
