# Features: extracted once for a cohort's view; scaled and ranked on the training role of every split.


rule fetch_weights:
    output:
        weights=ensure(
            "resources/weights/{weights}.safetensors",
            non_empty=True,
            sha256=weights_digest,
        ),
        digest="resources/weights/{weights}.safetensors.sha256",
    conda:
        "../../envs/torch.yaml"
    resources:
        **needs(1000, 120),
    params:
        code="",  # A download stays, whatever becomes of the step.
        source=weights_source,
        digest=weights_digest_option,
    message:
        "Downloading weights {wildcards.weights}"
    shell:
        "python -m leukoflow.steps.fetch_weights --source {params.source:q} {params.digest}"
        " --output {output.weights} 2> {log}"


rule deep_features:
    input:
        images="results/{study}/views/{cohort}.{view}/{shard}.npy",
        index="results/{study}/views/{cohort}.{view}/{shard}.parquet",
        weights=weights_of_features,
    output:
        rows="results/{study}/features/{cohort}.{view}.{features}/{shard}.npy",
        index="results/{study}/features/{cohort}.{view}.{features}/{shard}.parquet",
        description="results/{study}/features/{cohort}.{view}.{features}/{shard}.json",
    wildcard_constraints:
        features=any_of(DEEP),
    resources:
        **needs(6000, 240),
        gpu=1,
    params:
        settings=extraction_settings,
        start=features_weights_content,
        resume="results/{study}/.resume/features.{cohort}.{view}.{features}.{shard}",
    message:
        "Extracting features {wildcards.features} of {wildcards.cohort}, view {wildcards.view}, shard {wildcards.shard}"
    shell:
        "python -m leukoflow.steps.deep_features --settings {params.settings:q} --images {input.images}"
        " --weights {input.weights:q} --code {params.code} --resume {params.resume} --threads {threads}"
        " --output {output.rows} --index {output.index} --description {output.description} 2> {log}"


rule gather_features:
    input:
        shard_features,
    output:
        "results/{study}/features/{cohort}.{view}.{features}/matrix.json",
    wildcard_constraints:
        features=any_of(DEEP),
    resources:
        **needs(500, 10),
    message:
        "Summing up features {wildcards.features} of {wildcards.cohort}, view {wildcards.view}"
    shell:
        "python -m leukoflow.steps.gather_features --descriptions {input} --output {output} 2> {log}"


rule morphology_features:
    input:
        "results/{study}/cells/{cohort}/images.parquet",
    output:
        description="results/{study}/features/{cohort}.{view}.{features}/matrix.json",
        rows="results/{study}/features/{cohort}.{view}.{features}/000.npy",
        index="results/{study}/features/{cohort}.{view}.{features}/000.parquet",
    wildcard_constraints:
        features=any_of(MORPHOLOGY),
    resources:
        **needs(2000, 30),
    message:
        "Gathering the cell morphology of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.morphology_features --images {input} --output {output.description} 2> {log}"


rule fit_features:
    input:
        matrix=own_matrix,
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        audit="results/{study}/splits/{cohort}.{task}.{protocol}.audit.json",
    output:
        stack="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/stack.safetensors",
        scaler="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/scaler.safetensors",
        ranking="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/ranking.csv",
        stability="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/stability.csv",
        boxes="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/boxes.csv",
        description="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/features.json",
    resources:
        **needs(8000, 240),
        gpu=stack_gpu,
    params:
        settings=features_settings,
        classes=class_names,
        on_all=on_all_option,
        resume="results/{study}/.resume/selection.{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}",
    message:
        "Scaling and ranking features {wildcards.features} of {wildcards.cohort}, view {wildcards.view},"
        " {wildcards.protocol} split, fold {wildcards.fold}, seed {wildcards.seed}"
    shell:
        "python -m leukoflow.steps.fit_features --settings {params.settings:q} --classes {params.classes:q}"
        " --matrix {input.matrix} --split {input.split} --fold {wildcards.fold} --seed {wildcards.seed}"
        " {params.on_all} --code {params.code} --resume {params.resume} --threads {threads} --stack {output.stack}"
        " --scaler {output.scaler} --ranking {output.ranking} --stability {output.stability}"
        " --description {output.description} 2> {log}"


rule transform_features:
    input:
        matrix=target_matrix,
        stack="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/stack.safetensors",
        scaler="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/scaler.safetensors",
        description="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/features.json",
    output:
        rows="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/scaled/{target}.npy",
        index="results/{study}/selections/{cohort}.{task}.{view}.{protocol}.{features}.fold{fold}.seed{seed}/scaled/{target}.parquet",
    resources:
        **needs(4000, 120),
        gpu=stack_gpu,
    message:
        "Scaling features {wildcards.features} of {wildcards.target}, fitted on {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.transform_features --matrix {input.matrix} --stack {input.stack}"
        " --scaler {input.scaler} --description {input.description} --threads {threads}"
        " --output {output.rows} 2> {log}"


rule neighbours:
    input:
        unpack(neighbour_inputs),
    output:
        "results/{study}/neighbours/{cohort}.{task}.{view}.{protocol}.csv",
    resources:
        **needs(2000, 60),
    params:
        settings=task_settings,
    message:
        "Measuring what neighbours among the features of {wildcards.cohort} share, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.neighbours --settings {params.settings:q} --manifest {input.manifest}"
        " --groups {input.groups} --matrices {input.matrices} --output {output} 2> {log}"
