# Accuracy by the number of training images.


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
