# What the tables, the figures and the report cover.

PLAN = Plan(STUDY, ROOTS)
RUNS = PLAN.runs
MAIN_PANELS = PLAN.main_panels
SELECTIONS = PLAN.selections
SELECTED_PANELS = PLAN.selected_panels
COMPARED = [name for (name,) in PLAN.compared]


SPLITS = PLAN.splits
CELL_COHORTS = sorted({cohort for cohort, _ in PLAN.cell_pairs})
SCORED = [name for name in SEGMENTERS if scored_on(name) or archives_of(name)]


def panels_of_kind(kind):
    return [".".join(panel) for panel in PARTS_OF[kind](PLAN)]
