# Views: what the networks see, in memory-mapped shards.


rule fit_stain:
    input:
        quality="results/{study}/cohorts/{cohort}/quality.parquet",
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
    output:
        "results/{study}/stains/{cohort}.{task}.{protocol}.fold{fold}.json",
    resources:
        **needs(1000, 10),
    message:
        "Fitting the stain of {wildcards.cohort}, {wildcards.protocol} split, fold {wildcards.fold}"
    shell:
        "python -m leukoflow.steps.fit_stain --quality {input.quality} --split {input.split} --fold {wildcards.fold}"
        " --output {output} 2> {log}"


rule cohort_stain:
    input:
        quality="results/{study}/cohorts/{cohort}/quality.parquet",
    output:
        "results/{study}/stains/cohort.{cohort}.json",
    resources:
        **needs(1000, 10),
    message:
        "Taking the stain of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.fit_stain --quality {input.quality} --output {output} 2> {log}"


rule template_stain:
    input:
        template,
    output:
        "results/{study}/stains/{view}.json",
    resources:
        **needs(1000, 10),
    message:
        "Measuring the template image of view {wildcards.view}"
    shell:
        "python -m leukoflow.steps.fit_stain --template {input:q} --output {output} 2> {log}"


rule render:
    input:
        files="results/{study}/cohorts/{cohort}/files.parquet",
        labels=labels_of_view,
        stain=stain,
    output:
        images="results/{study}/views/{cohort}.{view}/{shard}.npy",
        index="results/{study}/views/{cohort}.{view}/{shard}.parquet",
    resources:
        **needs(1500, 30),
    params:
        settings=view_settings,
        root=cohort_root,
        max_pixels=max_pixels,
        shard=shard_number,
        shards=cohort_shards,
        labels=option("--labels", labels_of_view),
        stain=option("--stain", stain),
    message:
        "Rendering view {wildcards.view} of {wildcards.cohort}, shard {wildcards.shard}"
    shell:
        "python -m leukoflow.steps.render --settings {params.settings:q} --root={params.root:q}"
        " --files {input.files} --max-pixels {params.max_pixels}"
        " {params.labels} {params.stain} --shard {params.shard} --shards {params.shards} --threads {threads}"
        " --output {output.images} --index {output.index} 2> {log}"


rule gather_view:
    input:
        images=shard_images,
        indices=shard_indices,
    output:
        "results/{study}/views/{cohort}.{view}/view.json",
    resources:
        **needs(500, 10),
    message:
        "Summing up view {wildcards.view} of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.gather_view --indices {input.indices} --output {output} 2> {log}"
