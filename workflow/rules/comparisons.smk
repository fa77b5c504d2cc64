# The models of an experiment against its reference.


rule compare:
    input:
        predictions=experiment_predictions,
        models=experiment_models,
    output:
        "results/{study}/comparisons/{experiment}.csv",
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.compare"),
        settings=evaluation_settings(),
        names=experiment_names,
        reference=reference_of,
        published=published_accuracies,
    message:
        "Comparing the models of {wildcards.experiment} with {params.reference}"
    shell:
        "python -m leukoflow.steps.compare --settings {params.settings:q} --experiment {wildcards.experiment}"
        " --reference {params.reference} --published {params.published:q} --runs results/{wildcards.study}/runs"
        " --of {params.names} --output {output} 2> {log}"
