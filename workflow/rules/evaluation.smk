# Scores and calibration of the runs, leaks, and the tables of the study.


rule score:
    input:
        predictions_of_panel,
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        duplicates="results/{study}/quality/duplicates.parquet",
    output:
        scores="results/{study}/parts/scores/{cohort}.{task}.{view}.{protocol}/scores.csv",
        confusion="results/{study}/parts/scores/{cohort}.{task}.{view}.{protocol}/confusion.csv",
    resources:
        **needs(2000, 120),
    params:
        settings=evaluation_settings("stratified"),
        tasks=all_tasks,
        targets=panel_targets,
    message:
        "Scoring models on {wildcards.cohort}, {wildcards.view} view, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.score --settings {params.settings:q} --tasks {params.tasks:q}"
        " --runs results/{wildcards.study}/runs {params.targets} --split {input.split}"
        " --duplicates {input.duplicates} --output {output.scores} --confusion {output.confusion} 2> {log}"


rule study:
    output:
        "results/{study}/study.json",
    resources:
        **needs(500, 10),
    params:
        settings=whole_study,
    message:
        "Writing the resolved config"
    shell:
        "python -m leukoflow.steps.study --settings {params.settings:q} --output {output} 2> {log}"


rule cell_tables:
    input:
        scores=collect("results/{{study}}/segmenters/{name}/scores.csv", name=SCORED),
        instances=collect(
            "results/{{study}}/segmenters/{name}/instances.csv", name=SCORED
        ),
        masks=scored_masks("index.parquet"),
        mask_rejects=scored_masks("rejects.csv"),
        cells=cell_files("cells.parquet"),
        images=cell_files("images.parquet"),
        manifests=collect(
            "results/{{study}}/cohorts/{cohort}/manifest.parquet", cohort=CELL_COHORTS
        ),
        qualities=collect(
            "results/{{study}}/cohorts/{cohort}/quality.parquet", cohort=CELL_COHORTS
        ),
        rankings=selection_files(SELECTIONS, "ranking.csv"),
        stabilities=selection_files(SELECTIONS, "stability.csv"),
        neighbours=[
            f"{RESULTS}/neighbours/{'.'.join(panel)}.csv" for panel in SELECTED_PANELS
        ],
    output:
        in_report(tables_of("cell_tables")),
    resources:
        **needs(3000, 60),
    params:
        names=words(all_selections),
    message:
        "Gathering the tables of cells and features"
    shell:
        "python -m leukoflow.steps.cell_tables --scores {input.scores} --instances {input.instances}"
        " --masks {input.masks} --cells {input.cells} --manifests {input.manifests}"
        " --selections results/{wildcards.study}/selections --of {params.names} --neighbours {input.neighbours} --outputs {output} 2> {log}"


rule assess:
    input:
        predictions_of_panel,
    output:
        collect(
            "results/{{study}}/parts/assessment/{{cohort}}.{{task}}.{{view}}.{{protocol}}/{table}.csv",
            table=(*tables_of("assessment"), "curves"),
        ),
    resources:
        **needs(2000, 120),
    params:
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


rule leaks:
    input:
        tested(leak_runs),
    output:
        "results/{study}/parts/leaks/{cohort}.{task}/leaks.csv",
    resources:
        **needs(2000, 60),
    params:
        settings=evaluation_settings(),
        names=words(leak_runs),
        pairs=leak_pairs,
        classes=class_names,
    message:
        "Measuring what leaks made on purpose are worth on {wildcards.cohort}, {wildcards.task}"
    shell:
        "python -m leukoflow.steps.leaks --settings {params.settings:q} --runs results/{wildcards.study}/runs"
        " --of {params.names} --pairs {params.pairs:q} --classes {params.classes:q} --output {output} 2> {log}"


rule leakage:
    input:
        predictions=task_predictions,
        splits=task_splits(runs_of_task),
        duplicates="results/{study}/quality/duplicates.parquet",
    output:
        "results/{study}/parts/leakage/{cohort}.{task}/leakage.csv",
    resources:
        **needs(3000, 60),
    params:
        settings=evaluation_settings(),
        names=words(runs_of_task),
        targets=task_targets,
    message:
        "Measuring what leaks are worth on {wildcards.cohort}, {wildcards.task}"
    shell:
        "python -m leukoflow.steps.leakage --settings {params.settings:q} --runs results/{wildcards.study}/runs --of {params.names}"
        " --external {params.targets} --splits {input.splits} --duplicates {input.duplicates}"
        " --output {output} 2> {log}"
