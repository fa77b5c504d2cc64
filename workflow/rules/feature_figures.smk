# Figures of features: which were chosen, what they map, how many it takes.


rule figure_selection:
    input:
        rankings=panel_rankings,
        stabilities=panel_stabilities,
    output:
        png=report(
            "results/{study}/figures/selection.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/selection.rst",
            category="Features",
            labels={
                "figure": "selection",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        svg="results/{study}/figures/selection.{cohort}.{task}.{view}.{protocol}.svg",
        table="results/{study}/figures/selection.{cohort}.{task}.{view}.{protocol}.csv",
    log:
        "logs/{study}/figure_selection/selection.{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/figure_selection/selection.{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_selection"),
    message:
        "Drawing the features chosen on {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_selection --rankings {input.rankings}"
        " --stabilities {input.stabilities} --output {output.png} 2> {log}"


rule figure_embedding:
    input:
        panel_descriptions,
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        groups="results/{study}/quality/groups.parquet",
        matrices=panel_matrices,
    output:
        png=report(
            "results/{study}/figures/embedding.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/embedding.rst",
            category="Features",
            labels={
                "figure": "map",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        svg="results/{study}/figures/embedding.{cohort}.{task}.{view}.{protocol}.svg",
        table="results/{study}/figures/embedding.{cohort}.{task}.{view}.{protocol}.csv",
        neighbours="results/{study}/neighbours/{cohort}.{task}.{view}.{protocol}.csv",
    log:
        "logs/{study}/figure_embedding/embedding.{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/figure_embedding/embedding.{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code_of("steps.figure_embedding"),
        settings=task_settings,
    message:
        "Mapping the features of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_embedding --settings {params.settings:q} --manifest {input.manifest}"
        " --groups {input.groups} --matrices {input.matrices} --neighbours {output.neighbours}"
        " --output {output.png} 2> {log}"


rule figure_feature_count:
    input:
        "results/{study}/tables/leaderboard.csv",
    output:
        png=report(
            "results/{study}/figures/feature_count.{cohort}.{task}.{view}.png",
            caption="../report/feature_count.rst",
            category="Features",
            labels={
                "figure": "number of features",
                "cohort": "{cohort}",
                "view": "{view}",
            },
        ),
        svg="results/{study}/figures/feature_count.{cohort}.{task}.{view}.svg",
        table="results/{study}/figures/feature_count.{cohort}.{task}.{view}.csv",
    log:
        "logs/{study}/figure_feature_count/feature_count.{cohort}.{task}.{view}.log",
    benchmark:
        "benchmarks/{study}/figure_feature_count/feature_count.{cohort}.{task}.{view}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_feature_count"),
        settings=count_settings,
    message:
        "Drawing accuracy against the number of features on {wildcards.cohort}, view {wildcards.view}"
    shell:
        "python -m leukoflow.steps.figure_feature_count --settings {params.settings:q} --leaderboard {input}"
        " --output {output.png} 2> {log}"
