# When a model should rather not answer: unsure, of another kind, too poor a picture.


rule novelty:
    input:
        data=inputs_of_targets,
        stain=stain_of_run,
        predictions=run_predictions,
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
    output:
        scores="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/novelty.parquet",
        reference="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/novelty.safetensors",
        thresholds="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/thresholds.json",
    priority: 10
    resources:
        **needs(3000, 60),
        gpu=1,
    params:
        code=architecture_code("novelty"),
        settings=evaluation_settings("abstention", "novelty"),
        view=view_settings,
        run=run_name,
        data=inputs_of_targets_option,
        stain=stain_of_run_option,
    message:
        "Showing unknown images to {wildcards.model}, {wildcards.cohort}, {wildcards.protocol} split,"
        " fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.novelty --settings {params.settings:q} --run {params.run}"
        " --weights {input.weights} --description {input.description} {params.data}"
        " --view-settings {params.view:q} {params.stain} --predictions {input.predictions} --split {input.split}"
        " --threads {threads} --output {output.scores} --reference {output.reference}"
        " --thresholds {output.thresholds} 2> {log}"


rule abstain:
    input:
        predictions=predictions_of_panel,
        novelty=files_of(novelty_runs, "novelty.parquet"),
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        duplicates="results/{study}/quality/duplicates.parquet",
    output:
        collect(
            "results/{{study}}/parts/abstention/{{cohort}}.{{task}}.{{view}}.{{protocol}}/{table}.csv",
            table=[*tables_of("abstention"), "risk_curves"],
        ),
    priority: 10
    resources:
        **needs(2000, 60),
    params:
        settings=evaluation_settings("abstention", "novelty"),
        classes=class_names,
        names=words(runs_in_panel),
        targets=targets_of_panel,
        novelty=words(novelty_runs),
    message:
        "Holding answers back on {wildcards.cohort}, view {wildcards.view}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.abstain --settings {params.settings:q} --classes {params.classes:q}"
        " --runs results/{wildcards.study}/runs --of {params.names} --targets {params.targets} --novelty {params.novelty}"
        " --split {input.split} --duplicates {input.duplicates}"
        " --output results/{wildcards.study}/parts/abstention/"
        "{wildcards.cohort}.{wildcards.task}.{wildcards.view}.{wildcards.protocol} 2> {log}"


rule gate:
    input:
        predictions=predictions_of_panel,
        qualities=qualities_of_targets,
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        groups="results/{study}/quality/groups.parquet",
        files="results/{study}/cohorts/{cohort}/files.parquet",
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
    output:
        limits="results/{study}/gates/{cohort}.{task}.{protocol}.json",
        tables=collect(
            "results/{{study}}/parts/gate/{{cohort}}.{{task}}.{{protocol}}/{table}.csv",
            table=tables_of("gate"),
        ),
    priority: 10
    resources:
        **needs(2000, 60),
    params:
        settings=evaluation_settings("abstention", "novelty"),
        root=cohort_root,
        max_pixels=max_pixels,
        names=words(runs_in_panel),
        targets=targets_of_panel,
    message:
        "Deriving the gate on image quality of {wildcards.cohort}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.gate --settings {params.settings:q}"
        " --name {wildcards.cohort}.{wildcards.task}.{wildcards.protocol} --split {input.split}"
        " --quality {input.qualities} --groups {input.groups} --files {input.files} --manifest {input.manifest}"
        " --root={params.root:q} --max-pixels {params.max_pixels} --runs results/{wildcards.study}/runs --of {params.names}"
        " --targets {params.targets} --threads {threads} --output {output.limits}"
        " --parts results/{wildcards.study}/parts/gate/{wildcards.cohort}.{wildcards.task}.{wildcards.protocol} 2> {log}"
