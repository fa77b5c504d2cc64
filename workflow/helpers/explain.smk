# Which runs are explained: networks that see whole pictures, or read features of such, of the first fold and seed.

EXPLAINED = {".".join(panel): runs for panel, runs in PLAN.explained.items()}
# A study in which nothing is explained has a table of no rows.
EXPLAIN_PARTS = list(EXPLAINED) or ["nothing"]


def explanations_of(panel):
    return EXPLAINED.get(panel, [])


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


def runs_of_part(wildcards):
    return explanations_of(wildcards.panel)


def attended(wildcards):
    """The runs of a panel whose networks may attend to positions."""
    w = wildcards
    return PLAN.attended.get((w.cohort, w.task, w.view, w.protocol), [])


def attended_view(wildcards):
    return [PLAN.run_view(wildcards.cohort, run) for run in attended(wildcards)[:1]]


def attended_predictions(wildcards):
    """Those of the first run, whose test images are shown."""
    return PLAN.predictions(attended(wildcards)[:1])


def attended_code(wildcards):
    return code_with("attention_maps", [run.model for run in attended(wildcards)])
