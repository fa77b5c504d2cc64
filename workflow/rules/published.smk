# What the papers publish, next to what is reproduced.


rule published:
    input:
        study="results/{study}/study.json",
        leaderboard="results/{study}/tables/leaderboard.csv",
        external="results/{study}/tables/external.csv",
        scores="results/{study}/tables/scores.csv",
        efficiency="results/{study}/tables/efficiency.csv",
        cohorts="results/{study}/tables/cohorts.csv",
        more=FURTHER_TABLES,
        models=PLAN.run_files(RUNS, "model.json"),
        splits=SPLITS,
    output:
        in_report(tables_of("published")),
    resources:
        **needs(1500, 20),
    params:
        papers=data_digest("config", "papers"),
        runs=words(all_runs),
    message:
        "Holding the papers' numbers against the measured ones"
    shell:
        "python -m leukoflow.steps.published --study {input.study} --leaderboard {input.leaderboard}"
        " --external {input.external} --scores {input.scores} --efficiency {input.efficiency}"
        " --cohorts {input.cohorts} --runs results/{wildcards.study}/runs --of {params.runs} --splits {input.splits}"
        " --more {input.more} --outputs {output} 2> {log}"


rule paper_figures:
    input:
        paper_figure_inputs,
        study="results/{study}/study.json",
        leaderboard="results/{study}/tables/leaderboard.csv",
        scores="results/{study}/tables/scores.csv",
    output:
        collect(
            "results/{{study}}/figures/{name}{suffix}",
            name=[paper_figure.file for paper_figure in PAPER_FIGURES],
            suffix=(".png", ".svg", ".csv"),
        ),
        table="results/{study}/tables/paper_figures.csv",
    resources:
        **needs(2000, 30),
    params:
        papers=data_digest("config", "papers"),
        have=ASKED,
    message:
        "Drawing what the papers' figures show"
    shell:
        "python -m leukoflow.steps.paper_figures --study {input.study} --runs results/{wildcards.study}/runs"
        " --scores results/{wildcards.study}/parts/scores"
        " --tables results/{wildcards.study}/tables --figures results/{wildcards.study}/figures --have {params.have}"
        " --output {output.table} 2> {log}"
