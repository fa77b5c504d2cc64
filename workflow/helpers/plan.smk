# What the tables, the figures and the report cover.

PLAN = Plan(STUDY, ROOTS)
RUNS = PLAN.runs
PANELS = PLAN.panels
MAIN_PANELS = PLAN.main_panels
SELECTIONS = PLAN.selections
SELECTED_PANELS = PLAN.selected_panels
COMPARED = [name for (name,) in PLAN.compared]


SPLITS = sorted(
    {f"{RESULTS}/splits/{run.cohort}.{run.task}.{run.protocol}.parquet" for run in RUNS}
)
CELL_COHORTS = sorted({cohort for cohort, _ in PLAN.cell_pairs})
SCORED = [
    name
    for name in SEGMENTERS
    if scored_on(name) or (ARCHIVES and name == SEGMENTERS[0])
]


def panels_of_kind(kind):
    return [".".join(panel) for panel in PARTS_OF[kind](PLAN)]
