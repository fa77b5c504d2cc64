# Calibration and discrimination: which panels are measured from which predictions.

ASSESSMENT_TABLES = (
    "calibration",
    "reliability",
    "discrimination",
    "errors",
    "operating_points",
    "prevalence",
)
ASSESSMENT_FIGURES = ("roc", "pr", "reliability", "reliability_classes", "confidence")
ASSESSED_PANELS = [".".join(panel) for panel in PANELS]


def assessed_predictions(wildcards):
    """Predictions of a panel's runs for every cohort they are tested on."""
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{target}.parquet"
        for run in runs_in_panel(wildcards)
        for target in RUNS[run]
    ]


def panel_targets(wildcards):
    """The cohorts that each run of a panel is tested on, its own first."""
    return json.dumps({run.name: RUNS[run] for run in runs_in_panel(wildcards)})


def assessment_figures():
    return [
        f"{family}.{'.'.join(panel)}"
        for panel in NETWORK_PANELS
        for family in ASSESSMENT_FIGURES
    ]
