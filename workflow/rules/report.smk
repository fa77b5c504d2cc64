# Figures, one job for each, and the report.


include: "cell_figures.smk"
include: "feature_figures.smk"


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


rule figure_learning:
    input:
        panel_files("history.csv"),
    output:
        png=report(
            "results/{study}/figures/learning.{cohort}.{task}.{view}.png",
            caption="../report/learning.rst",
            category="Training",
            labels={
                "figure": "learning curves",
                "cohort": "{cohort}",
                "view": "{view}",
            },
        ),
        svg="results/{study}/figures/learning.{cohort}.{task}.{view}.svg",
        table="results/{study}/figures/learning.{cohort}.{task}.{view}.csv",
    log:
        "logs/{study}/figure_learning/learning.{cohort}.{task}.{view}.log",
    benchmark:
        "benchmarks/{study}/figure_learning/learning.{cohort}.{task}.{view}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_learning"),
    message:
        "Drawing learning curves of {wildcards.cohort}, view {wildcards.view}"
    shell:
        "python -m leukoflow.steps.figure_learning --histories {input} --output {output.png} 2> {log}"


rule figure_confusion:
    input:
        panel_files("confusion.csv"),
    output:
        png=report(
            "results/{study}/figures/confusion.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/confusion.rst",
            category="Results",
            labels={
                "figure": "confusion",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        svg="results/{study}/figures/confusion.{cohort}.{task}.{view}.{protocol}.svg",
        table="results/{study}/figures/confusion.{cohort}.{task}.{view}.{protocol}.csv",
    log:
        "logs/{study}/figure_confusion/confusion.{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/figure_confusion/confusion.{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_confusion"),
    message:
        "Drawing confusion matrices of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_confusion --confusions {input} --output {output.png} 2> {log}"


rule figure_roc:
    input:
        panel_predictions,
    output:
        png=report(
            "results/{study}/figures/roc.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/roc.rst",
            category="Results",
            labels={
                "figure": "ROC curves",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        svg="results/{study}/figures/roc.{cohort}.{task}.{view}.{protocol}.svg",
        table="results/{study}/figures/roc.{cohort}.{task}.{view}.{protocol}.csv",
    log:
        "logs/{study}/figure_curves/roc.{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/figure_curves/roc.{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_curves"),
        classes=class_names,
    message:
        "Drawing ROC curves of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_curves --kind roc --classes {params.classes:q}"
        " --predictions {input} --output {output.png} 2> {log}"


rule figure_pr:
    input:
        panel_predictions,
    output:
        png=report(
            "results/{study}/figures/pr.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/pr.rst",
            category="Results",
            labels={
                "figure": "PR curves",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        svg="results/{study}/figures/pr.{cohort}.{task}.{view}.{protocol}.svg",
        table="results/{study}/figures/pr.{cohort}.{task}.{view}.{protocol}.csv",
    log:
        "logs/{study}/figure_curves/pr.{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/figure_curves/pr.{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_curves"),
        classes=class_names,
    message:
        "Drawing PR curves of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_curves --kind pr --classes {params.classes:q}"
        " --predictions {input} --output {output.png} 2> {log}"


rule figure_leaderboard:
    input:
        "results/{study}/tables/leaderboard.csv",
    output:
        png=report(
            "results/{study}/figures/leaderboard.png",
            caption="../report/leaderboard.rst",
            category="Results",
            labels={"figure": "leaderboard"},
        ),
        svg="results/{study}/figures/leaderboard.svg",
        table="results/{study}/figures/leaderboard.csv",
    log:
        "logs/{study}/figure_leaderboard/leaderboard.log",
    benchmark:
        "benchmarks/{study}/figure_leaderboard/leaderboard.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_leaderboard"),
    message:
        "Drawing the leaderboard"
    shell:
        "python -m leukoflow.steps.figure_leaderboard --leaderboard {input} --output {output.png} 2> {log}"


rule report:
    input:
        study="results/{study}/study.json",
        tables=collect(
            "results/{{study}}/tables/{table}.csv", table=TABLES + CELL_TABLES
        ),
        figures=FIGURES,
        svg=[figure.replace(".png", ".svg") for figure in FIGURES],
    output:
        report(
            "results/{study}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
    log:
        "logs/{study}/report.log",
    benchmark:
        "benchmarks/{study}/report.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.report"),
        template=template_digest(),
    message:
        "Writing the report"
    shell:
        "python -m leukoflow.steps.report --study {input.study} --tables {input.tables}"
        " --figures {input.figures} --output {output} 2> {log}"
