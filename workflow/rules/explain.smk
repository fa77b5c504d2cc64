# Where networks look, and what that is worth.


rule explain:
    input:
        label_maps,
        features=picture_features,
        backbones=picture_weights,
        view=own_view,
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        predictions="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/predictions/{cohort}.parquet",
    output:
        table="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/explain.parquet",
        heat="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/explain.npy",
    resources:
        **needs(3000, 120),
        gpu=1,
    params:
        code=architecture_code("explain"),
        settings=STUDY.evaluation.explain.model_dump_json(),
        run=run_name,
        cells=label_maps_option,
        features=picture_features_option,
        start=picture_weights_content,
    message:
        "Explaining {wildcards.model} on {wildcards.cohort}, view {wildcards.view}, {wildcards.protocol} split,"
        " fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.explain --settings {params.settings:q} --run {params.run}"
        " --weights {input.weights} --description {input.description} --view {input.view}"
        " --predictions {input.predictions} {params.cells} {params.features} --backbones {input.backbones:q}"
        " --threads {threads}"
        " --output {output.table} --heat {output.heat} 2> {log}"


rule explanations:
    input:
        files_of(runs_of_part, "explain.parquet"),
    output:
        "results/{study}/parts/explanations/{panel}/explanations.csv",
    wildcard_constraints:
        panel=any_of(EXPLAIN_PARTS),
    resources:
        **needs(1500, 30),
    params:
        settings=evaluation_settings("explain"),
        runs=words(runs_of_part),
    message:
        "Judging the explanations of {wildcards.panel}"
    shell:
        "python -m leukoflow.steps.explanations --settings {params.settings:q}"
        " --runs results/{wildcards.study}/runs --of {params.runs} --output {output} 2> {log}"


rule feature_attention:
    input:
        features=own_inputs,
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
    output:
        "results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/feature_attention.parquet",
    resources:
        **needs(2000, 30),
    params:
        code=architecture_code("feature_attention"),
        run=run_name,
        features=own_inputs_option,
    message:
        "Measuring which features {wildcards.model} attends to on {wildcards.cohort}, view {wildcards.view},"
        " {wildcards.protocol} split, fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.feature_attention --run {params.run} --weights {input.weights}"
        " --description {input.description} {params.features} --split {input.split} --threads {threads}"
        " --output {output} 2> {log}"


rule attention_maps:
    input:
        view=attended_view,
        weights=files_of(attended, "weights.safetensors"),
        descriptions=files_of(attended, "model.json"),
        predictions=attended_predictions,
    output:
        "results/{study}/attention_maps/{cohort}.{task}.{view}.{protocol}.parquet",
    resources:
        **needs(3000, 30),
    params:
        code=attended_code,
        runs=words(attended),
    message:
        "Looking at what attention makes of maps on {wildcards.cohort}, view {wildcards.view},"
        " {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.attention_maps --runs results/{wildcards.study}/runs --of {params.runs}"
        " --view {input.view} --threads {threads} --output {output} 2> {log}"
