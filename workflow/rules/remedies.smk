# What models and views of an experiment gain on changed images over its reference.


rule remedies:
    input:
        held_to_reference,
    output:
        "results/{study}/parts/remedies/{experiment}/remedies.csv",
    wildcard_constraints:
        experiment=any_of(STUDY.experiments),
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        code=code_of("steps.remedies"),
        settings=STUDY.evaluation.model_dump_json(
            include={"resamples", "confidence", "seed"}
        ),
        reference=view_and_reference,
        runs=names_held_to_reference,
    message:
        "Measuring what remedies of {wildcards.experiment} gain"
    shell:
        "python -m leukoflow.steps.remedies --settings {params.settings:q} --experiment {wildcards.experiment}"
        " --reference {params.reference} --runs results/{wildcards.study}/runs --of {params.runs}"
        " --output {output} 2> {log}"
