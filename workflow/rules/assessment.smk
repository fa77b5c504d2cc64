# How far probabilities can be believed, and how well they tell the classes apart.


rule assess:
    input:
        predictions_of_panel,
    output:
        collect(
            "results/{{study}}/parts/assessment/{{cohort}}.{{task}}.{{view}}.{{protocol}}/{table}.csv",
            table=(*tables_of("assessment"), "curves"),
        ),
    resources:
        mem_mb=grows(2000),
        runtime=grows(120),
    params:
        code=code_of("steps.assess"),
        settings=evaluation_settings("assessment"),
        task=task_settings,
        targets=panel_targets,
        folder=assessment_folder,
    message:
        "Measuring calibration and discrimination on {wildcards.cohort}, {wildcards.view} view,"
        " {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.assess --settings {params.settings:q} --task {params.task:q}"
        " --runs results/{wildcards.study}/runs {params.targets} --output {params.folder} 2> {log}"
