# The models of an experiment against its reference.


rule compare:
    input:
        predictions=experiment_predictions,
        models=experiment_models,
    output:
        "results/{study}/comparisons/{experiment}.csv",
    log:
        "logs/{study}/compare/{experiment}.log",
    benchmark:
        "benchmarks/{study}/compare/{experiment}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.compare"),
        settings=STUDY.evaluation.model_dump_json(),
        runs=f"{RESULTS}/runs",
        names=experiment_names,
        reference=reference_of,
        published=published_accuracies,
    message:
        "Comparing the models of {wildcards.experiment} with {params.reference}"
    shell:
        "python -m leukoflow.steps.compare --settings {params.settings:q} --experiment {wildcards.experiment}"
        " --reference {params.reference} --published {params.published:q} --runs {params.runs}"
        " --of {params.names} --output {output} 2> {log}"


rule figure_comparison:
    input:
        "results/{study}/comparisons/{experiment}.csv",
    output:
        png=report(
            "results/{study}/figures/comparison.{experiment}.png",
            caption="../report/comparison.rst",
            category="Results",
            labels={"figure": "comparison", "experiment": "{experiment}"},
        ),
        svg="results/{study}/figures/comparison.{experiment}.svg",
        table="results/{study}/figures/comparison.{experiment}.csv",
    log:
        "logs/{study}/figure_comparison/comparison.{experiment}.log",
    benchmark:
        "benchmarks/{study}/figure_comparison/comparison.{experiment}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_comparison"),
    message:
        "Drawing the comparison of {wildcards.experiment}"
    shell:
        "python -m leukoflow.steps.figure_comparison --comparisons {input} --output {output.png} 2> {log}"
