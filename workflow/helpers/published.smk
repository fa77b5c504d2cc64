# What the papers publish, next to what is reproduced.


FURTHER_TABLES = [
    f"{RESULTS}/tables/{name}.csv"
    for name in ("calibration", "discrimination", "errors", "robustness", "sample_size")
]

# The papers' figures are drawn for their own models, or copied from the study's own.
PAPER_FIGURES = [
    paper_figure
    for paper_figure in paper_figures(STUDY, figures_of(PLAN))
    if paper_figure.file
]
COPIED = sorted(
    {paper_figure.source for paper_figure in PAPER_FIGURES if paper_figure.source}
)
# What the step must know of to come to the same list.
ASKED = sorted(
    set(COPIED)
    | {paper_figure.beside for paper_figure in PAPER_FIGURES if paper_figure.beside}
)


def paper_figure_inputs(wildcards):
    runs = sorted(
        {
            run
            for paper_figure in PAPER_FIGURES
            if not paper_figure.source
            for run in paper_figure.runs
        }
    )
    files = PLAN.run_files(runs, "history.csv") + own_predictions(runs)
    panels = sorted({run.panel for run in runs})
    files += [f"{RESULTS}/parts/scores/{panel}/confusion.csv" for panel in panels]
    copied = [
        f"{RESULTS}/figures/{name}{suffix}"
        for name in COPIED
        for suffix in (".png", ".svg", ".csv")
    ]
    families = {paper_figure.figure.family for paper_figure in PAPER_FIGURES}
    tables = [
        f"{RESULTS}/tables/{name}.csv"
        for name in ("robustness", "sample_size")
        if name in families
    ]
    return files + copied + tables
