# Figures of images: samples, views, duplicates.


rule figure_samples:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        view=f"results/{{study}}/views/{{cohort}}.{PLAIN}/view.json",
    output:
        png=report(
            "results/{study}/figures/samples.{cohort}.{task}.png",
            caption="../report/samples.rst",
            category="Cohorts",
            labels={"figure": "samples", "cohort": "{cohort}"},
        ),
        svg="results/{study}/figures/samples.{cohort}.{task}.svg",
        table="results/{study}/figures/samples.{cohort}.{task}.csv",
    log:
        "logs/{study}/figure_samples/samples.{cohort}.{task}.log",
    benchmark:
        "benchmarks/{study}/figure_samples/samples.{cohort}.{task}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_samples"),
        settings=task_settings,
    message:
        "Drawing samples of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.figure_samples --settings {params.settings:q} --manifest {input.manifest}"
        " --view {input.view} --output {output.png} 2> {log}"


rule figure_views:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        views=summaries_of_all_views,
    output:
        png=report(
            "results/{study}/figures/views.{cohort}.{task}.png",
            caption="../report/views.rst",
            category="Cohorts",
            labels={"figure": "views", "cohort": "{cohort}"},
        ),
        svg="results/{study}/figures/views.{cohort}.{task}.svg",
        table="results/{study}/figures/views.{cohort}.{task}.csv",
    log:
        "logs/{study}/figure_views/views.{cohort}.{task}.log",
    benchmark:
        "benchmarks/{study}/figure_views/views.{cohort}.{task}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_views"),
        settings=task_settings,
    message:
        "Drawing the views of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.figure_views --settings {params.settings:q} --manifest {input.manifest}"
        " --views {input.views} --output {output.png} 2> {log}"


rule figure_duplicates:
    input:
        duplicates="results/{study}/quality/duplicates.parquet",
        views=[f"{folder}/view.json" for folder in PLAIN_FOLDERS],
    output:
        png=report(
            "results/{study}/figures/duplicates.png",
            caption="../report/duplicates.rst",
            category="Cohorts",
            labels={"figure": "duplicates"},
        ),
        svg="results/{study}/figures/duplicates.svg",
        table="results/{study}/figures/duplicates.csv",
    log:
        "logs/{study}/figure_duplicates/duplicates.log",
    benchmark:
        "benchmarks/{study}/figure_duplicates/duplicates.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_duplicates"),
    message:
        "Drawing duplicates"
    shell:
        "python -m leukoflow.steps.figure_duplicates --duplicates {input.duplicates} --views {input.views}"
        " --output {output.png} 2> {log}"
