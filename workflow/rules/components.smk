# The components of built networks; nothing is trained or measured for it.


rule components:
    input:
        study="results/{study}/study.json",
    output:
        in_report(tables_of("components")),
    resources:
        **needs(2000, 20),
    params:
        code=code_with("components", PLAN.architectures),
        models=[
            f"{run.model}.{run.task}.{run.view}" for run in PLAN.architectures.values()
        ],
    message:
        "Measuring the networks' components"
    shell:
        "python -m leukoflow.steps.components --study {input.study} --models {params.models} --output {output} 2> {log}"
