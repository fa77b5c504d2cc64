# One run is one model on one cohort, task, view, protocol, fold and seed.


rule pretrain:
    input:
        view=own_view,
        start=weights_of_model,
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        audit="results/{study}/splits/{cohort}.{task}.{protocol}.audit.json",
    output:
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/pretrained.safetensors",
        history="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/pretraining.csv",
    wildcard_constraints:
        model=any_of(SELF_SUPERVISED),
    priority: 10
    resources:
        **needs(3000, 720),
        gpu=1,
    params:
        code=architecture_code("pretrain"),
        settings=pretraining_settings,
        start=model_weights_content,
        resume="results/{study}/.resume/pretrain.{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}",
    message:
        "Pretraining {wildcards.model} without labels on {wildcards.cohort}, view {wildcards.view},"
        " {wildcards.protocol} split, fold {wildcards.fold}, seed {wildcards.seed}"
    shell:
        "python -m leukoflow.steps.pretrain --settings {params.settings:q} --name {wildcards.model}"
        " --view {input.view} --start {input.start:q}"
        " --split {input.split} --fold {wildcards.fold} --seed {wildcards.seed} --code {params.code}"
        " --resume {params.resume} --threads {threads} --weights {output.weights}"
        " --history {output.history} 2> {log}"


rule train:
    input:
        data=own_inputs,
        start=start_of_run,
        partner=partner_of_model,
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        audit="results/{study}/splits/{cohort}.{task}.{protocol}.audit.json",
    output:
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        history="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/history.csv",
        # Of what was held out: the model is there, and another job would take longer to start than to predict.
        predictions="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/predictions/{cohort}.parquet",
    # The longest jobs first.
    priority: 10
    threads: devices
    resources:
        **needs(3000, 720),
        gpu=devices,
    params:
        code=architecture_code("train"),
        settings=model_settings,
        start=model_weights_content,
        classes=class_names,
        data=own_inputs_option,
        resume="results/{study}/.resume/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}",
    message:
        "Training {wildcards.model} on {wildcards.cohort}, view {wildcards.view}, {wildcards.protocol} split,"
        " fold {wildcards.fold}, seed {wildcards.seed}"
    shell:
        "python -m leukoflow.steps.train --settings {params.settings:q} --name {wildcards.model}"
        " --cohort {wildcards.cohort} --classes {params.classes:q} {params.data} --start {input.start:q}"
        " --partner {input.partner:q}"
        " --split {input.split} --fold {wildcards.fold} --seed {wildcards.seed} --code {params.code}"
        " --resume {params.resume} --threads {threads} --weights {output.weights}"
        " --description {output.description} --history {output.history} --predictions {output.predictions} 2> {log}"


ruleorder: train > predict


rule predict:
    input:
        data=target_inputs,
        weights="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/weights.safetensors",
        description="results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/model.json",
        manifest="results/{study}/cohorts/{target}/manifest.parquet",
        groups="results/{study}/quality/groups.parquet",
    output:
        "results/{study}/runs/{cohort}.{task}.{view}.{protocol}.{model}.fold{fold}.seed{seed}/predictions/{target}.parquet",
    resources:
        **needs(2500, 120),
        gpu=1,
    params:
        code=architecture_code("predict"),
        settings=task_settings,
        data=target_inputs_option,
    message:
        "Predicting {wildcards.target} with {wildcards.model}, {wildcards.protocol} split, fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.predict --settings {params.settings:q} --cohort {wildcards.target}"
        " --weights {input.weights} --description {input.description} {params.data}"
        " --manifest {input.manifest} --groups {input.groups} --threads {threads} --output {output} 2> {log}"
