# What the papers publish, beside what is reproduced.


rule published:
    input:
        study="results/{study}/study.json",
        leaderboard="results/{study}/tables/leaderboard.csv",
        external="results/{study}/tables/external.csv",
        scores="results/{study}/tables/scores.csv",
        efficiency="results/{study}/tables/efficiency.csv",
        cohorts="results/{study}/tables/cohorts.csv",
    output:
        report(
            collect("results/{{study}}/tables/{table}.csv", table=PUBLISHED_TABLES),
            caption="../report/tables.rst",
            category="Tables",
        ),
    log:
        "logs/{study}/published.log",
    benchmark:
        "benchmarks/{study}/published.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(20),
    params:
        code=code_of("steps.published"),
        papers=papers_digest(),
    message:
        "Holding the papers' numbers against the measured ones"
    shell:
        "python -m leukoflow.steps.published --study {input.study} --leaderboard {input.leaderboard}"
        " --external {input.external} --scores {input.scores} --efficiency {input.efficiency}"
        " --cohorts {input.cohorts} --outputs {output} 2> {log}"
