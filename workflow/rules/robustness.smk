# Models on changed test images.


rule predict_changed:
    input:
        view=own_view,
        segmenter=segmenter_of_view,
        stain=stain_of_run,
        features=picture_features,
        backbones=picture_weights,
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        groups="results/{study}/quality/groups.parquet",
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        files="results/{study}/cohorts/{cohort}/files.parquet",
    output:
        "results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/changed.parquet",
    resources:
        **needs(3000, 240),
        gpu=1,
    params:
        code=architecture_code("predict_changed"),
        settings=STUDY.evaluation.robustness.model_dump_json(),
        shortcuts=STUDY.evaluation.shortcuts.model_dump_json(),
        rendering=rendering_option,
        features=picture_features_option,
        start=picture_weights_content,
    message:
        "Changing test images under {wildcards.model}, view {wildcards.view}, {wildcards.protocol} split,"
        " fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.predict_changed --settings {params.settings:q} --cohort {wildcards.cohort}"
        " --weights {input.weights} --description {input.description} --view {input.view}"
        " --shortcuts {params.shortcuts:q} --groups {input.groups} --manifest {input.manifest} --files {input.files}"
        " {params.rendering} {params.features} --backbones {input.backbones:q}"
        " --split {input.split} --fold {wildcards.fold} --seed {wildcards.seed}"
        " --threads {threads} --output {output} 2> {log}"


rule modules:
    input:
        view=own_view,
        segmenter=segmenter_of_view,
        stain=stain_of_run,
        files="results/{study}/cohorts/{cohort}/files.parquet",
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
    output:
        table="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/modules.csv",
        images="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/module_images.parquet",
    resources:
        **needs(3000, 120),
        gpu=1,
    params:
        code=architecture_code("modules"),
        settings=STUDY.evaluation.robustness.model_dump_json(),
        run=run_name,
        rendering=modules_rendering_option,
    message:
        "Comparing modules of {wildcards.model} on changed test images, view {wildcards.view},"
        " {wildcards.protocol} split, fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.modules --settings {params.settings:q} --run {params.run}"
        " --weights {input.weights} --description {input.description} --view {input.view}"
        " --files {input.files} {params.rendering} --split {input.split} --threads {threads}"
        " --output {output.table} --images-output {output.images} 2> {log}"


rule robustness:
    input:
        predictions=files_of(checked_of, "changed.parquet"),
        modules=files_of(with_modules, "modules.csv"),
    output:
        robustness="results/{study}/parts/robustness/{cohort}.{task}.{view}.{protocol}/robustness.csv",
        modules="results/{study}/parts/robustness/{cohort}.{task}.{view}.{protocol}/modules.csv",
    resources:
        **needs(3000, 60),
    params:
        settings=evaluation_settings(),
        runs=words(checked_of),
        modules=words(with_modules),
    message:
        "Measuring robustness on {wildcards.cohort}, view {wildcards.view}, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.robustness --settings {params.settings:q} --runs results/{wildcards.study}/runs"
        " --of {params.runs} --modules {params.modules} --output {output.robustness}"
        " --modules-output {output.modules} 2> {log}"
