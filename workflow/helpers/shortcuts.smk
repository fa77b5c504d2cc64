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
