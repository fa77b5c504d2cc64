# Tests between the models of an experiment, and what leaks are worth.


rule statistics:
    input:
        predictions=experiment_predictions,
        models=experiment_models,
        partners=partner_predictions,
    output:
        tests="results/{study}/parts/statistics/{experiment}/statistics.csv",
        ranks="results/{study}/parts/statistics/{experiment}/ranks.csv",
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        code=code_of("steps.statistics"),
        settings=evaluation_settings(),
        reference=reference_option,
        tasks=all_tasks,
        names=experiment_names,
        partners=partner_names,
    message:
        "Testing the models of {wildcards.experiment}"
    shell:
        "python -m leukoflow.steps.statistics --settings {params.settings:q} --experiment {wildcards.experiment}"
        " {params.reference} --tasks {params.tasks:q} --runs results/{wildcards.study}/runs --of {params.names}"
        " --partners {params.partners} --output {output.tests} --ranks {output.ranks} 2> {log}"


rule leakage:
    input:
        predictions=task_predictions,
        splits=task_splits,
        duplicates="results/{study}/quality/duplicates.parquet",
    output:
        "results/{study}/parts/leakage/{cohort}.{task}/leakage.csv",
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        code=code_of("steps.leakage"),
        settings=evaluation_settings(),
        names=task_names,
        targets=task_targets,
    message:
        "Measuring what leaks are worth on {wildcards.cohort}, {wildcards.task}"
    shell:
        "python -m leukoflow.steps.leakage --settings {params.settings:q} --runs results/{wildcards.study}/runs --of {params.names}"
        " --external {params.targets} --splits {input.splits} --duplicates {input.duplicates}"
        " --output {output} 2> {log}"
