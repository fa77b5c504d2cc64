# Models on changed test images.


rule stress:
    input:
        view=own_view,
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        groups="results/{study}/quality/groups.parquet",
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        files="results/{study}/cohorts/{cohort}/files.parquet",
    output:
        "results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/stress.parquet",
    log:
        "logs/{study}/stress/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}.log",
    benchmark:
        "benchmarks/{study}/stress/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}.tsv"
    conda:
        "../../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(240),
        gpu=1,
    params:
        code=architecture_code("stress"),
        settings=STUDY.evaluation.stress.model_dump_json(),
        shortcuts=STUDY.evaluation.shortcuts.model_dump_json(),
    message:
        "Changing test images under {wildcards.model}, view {wildcards.view}, {wildcards.protocol} split,"
        " fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.stress --settings {params.settings:q} --cohort {wildcards.cohort}"
        " --weights {input.weights} --description {input.description} --view {input.view}"
        " --shortcuts {params.shortcuts:q} --groups {input.groups} --manifest {input.manifest} --files {input.files}"
        " --split {input.split} --fold {wildcards.fold} --seed {wildcards.seed}"
        " --threads {threads} --output {output} 2> {log}"
