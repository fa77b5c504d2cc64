# Figures of changed images, and of accuracy by the number of training images.


rule figure_robustness:
    input:
        "results/{study}/parts/robustness/{cohort}.{task}.{view}.{protocol}/robustness.csv",
    output:
        png=report(
            "results/{study}/figures/robustness.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/robustness.rst",
            category="Robustness",
            labels={
                "figure": "changed images",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        svg="results/{study}/figures/robustness.{cohort}.{task}.{view}.{protocol}.svg",
        table="results/{study}/figures/robustness.{cohort}.{task}.{view}.{protocol}.csv",
    log:
        "logs/{study}/figure_robustness/{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/figure_robustness/{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_robustness"),
    message:
        "Drawing accuracy on changed images of {wildcards.cohort}, view {wildcards.view}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_robustness --robustness {input} --output {output.png} 2> {log}"


rule figure_modules:
    input:
        "results/{study}/parts/robustness/{cohort}.{task}.{view}.{protocol}/modules.csv",
    output:
        information=report(
            "results/{study}/figures/mutual_information.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/modules.rst",
            category="Robustness",
            labels={
                "figure": "mutual information",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        attention=report(
            "results/{study}/figures/frobenius.{cohort}.{task}.{view}.{protocol}.png",
            caption="../report/modules.rst",
            category="Robustness",
            labels={
                "figure": "shift of attention",
                "cohort": "{cohort}",
                "view": "{view}",
                "split": "{protocol}",
            },
        ),
        others=collect(
            "results/{{study}}/figures/{family}.{{cohort}}.{{task}}.{{view}}.{{protocol}}.{suffix}",
            family=MODULE_FIGURES,
            suffix=("svg", "csv"),
        ),
    log:
        "logs/{study}/figure_modules/{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/figure_modules/{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_modules"),
    message:
        "Drawing modules of attention on changed images of {wildcards.cohort}, view {wildcards.view}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.figure_modules --modules {input} --information {output.information}"
        " --attention {output.attention} 2> {log}"


rule sample_size:
    input:
        scores="results/{study}/tables/scores.csv",
        models=[f"{RESULTS}/runs/{run.name}/model.json" for run in SHARED_RUNS],
    output:
        report(
            "results/{study}/tables/sample_size.csv",
            caption="../report/tables.rst",
            category="Tables",
        ),
    log:
        "logs/{study}/sample_size.log",
    benchmark:
        "benchmarks/{study}/sample_size.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.sample_size"),
        models=models_on_shares(),
        runs=[run.name for run in SHARED_RUNS],
    message:
        "Gathering accuracy against the number of training images"
    shell:
        "python -m leukoflow.steps.sample_size --models {params.models:q} --scores {input.scores}"
        " --runs results/{wildcards.study}/runs --of {params.runs} --output {output} 2> {log}"


rule figure_sample_size:
    input:
        "results/{study}/tables/sample_size.csv",
    output:
        png=report(
            "results/{study}/figures/sample_size.{cohort}.{task}.{view}.png",
            caption="../report/sample_size.rst",
            category="Robustness",
            labels={
                "figure": "sample size",
                "cohort": "{cohort}",
                "view": "{view}",
            },
        ),
        svg="results/{study}/figures/sample_size.{cohort}.{task}.{view}.svg",
        table="results/{study}/figures/sample_size.{cohort}.{task}.{view}.csv",
    log:
        "logs/{study}/figure_sample_size/{cohort}.{task}.{view}.log",
    benchmark:
        "benchmarks/{study}/figure_sample_size/{cohort}.{task}.{view}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_sample_size"),
    message:
        "Drawing accuracy against the number of training images of {wildcards.cohort}, view {wildcards.view}"
    shell:
        "python -m leukoflow.steps.figure_sample_size --sizes {input}"
        " --of {wildcards.cohort} {wildcards.task} {wildcards.view} --output {output.png} 2> {log}"
