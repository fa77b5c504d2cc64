# Figures of how runs did: learning, confusion, curves.


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
        runs=f"{RESULTS}/runs",
        names=panel_names,
    message:
        "Drawing learning curves of {wildcards.cohort}, view {wildcards.view}"
    shell:
        "python -m leukoflow.steps.figure_learning --runs {params.runs} --of {params.names} --output {output.png} 2> {log}"


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
        runs=f"{RESULTS}/runs",
        names=panel_names,
    message:
        "Drawing confusion matrices of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_confusion --runs {params.runs} --of {params.names} --output {output.png} 2> {log}"


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
        runs=f"{RESULTS}/runs",
        names=panel_names,
        classes=class_names,
    message:
        "Drawing ROC curves of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_curves --kind roc --classes {params.classes:q}"
        " --runs {params.runs} --of {params.names} --output {output.png} 2> {log}"


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
        runs=f"{RESULTS}/runs",
        names=panel_names,
        classes=class_names,
    message:
        "Drawing PR curves of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_curves --kind pr --classes {params.classes:q}"
        " --runs {params.runs} --of {params.names} --output {output.png} 2> {log}"
