# How far probabilities can be believed, and how well they tell the classes apart.


rule assess:
    input:
        predictions_of_panel,
    output:
        collect(
            "results/{{study}}/parts/assessment/{{cohort}}.{{task}}.{{view}}.{{protocol}}/{table}.csv",
            table=(*ASSESSMENT_TABLES, "curves"),
        ),
    log:
        "logs/{study}/assess/{cohort}.{task}.{view}.{protocol}.log",
    benchmark:
        "benchmarks/{study}/assess/{cohort}.{task}.{view}.{protocol}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
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


rule assessment_tables:
    input:
        [
            f"{RESULTS}/parts/assessment/{panel}/{table}.csv"
            for panel in ASSESSED_PANELS
            for table in ASSESSMENT_TABLES
        ],
    output:
        report(
            collect("results/{{study}}/tables/{table}.csv", table=ASSESSMENT_TABLES),
            caption="../report/tables.rst",
            category="Tables",
        ),
    log:
        "logs/{study}/assessment_tables.log",
    benchmark:
        "benchmarks/{study}/assessment_tables.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.gather_tables"),
        parts=assessment_parts,
        panels=ASSESSED_PANELS,
    message:
        "Gathering the tables of calibration and discrimination"
    shell:
        "python -m leukoflow.steps.gather_tables --parts {params.parts} --of {params.panels}"
        " --outputs {output} 2> {log}"
