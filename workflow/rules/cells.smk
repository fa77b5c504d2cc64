# White cells: masks brought to one form, segmenters trained and held against them, every image's cells.


rule annotate:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        files="results/{study}/cohorts/{cohort}/files.parquet",
        groups="results/{study}/quality/groups.parquet",
        contents=download_contents,
    output:
        images="results/{study}/masks/{cohort}/images.npy",
        parts="results/{study}/masks/{cohort}/parts.npy",
        labels="results/{study}/masks/{cohort}/labels.npy",
        index="results/{study}/masks/{cohort}/index.parquet",
        rejects="results/{study}/masks/{cohort}/rejects.csv",
        record="results/{study}/.content/{cohort}.masks.parquet",
    priority: 20
    resources:
        **needs(2500, 30),
    params:
        settings=annotation_settings,
        root=cohort_root,
        max_pixels=max_pixels,
        mark=mark_of(MASKS),
    message:
        "Reading the masks of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.annotate --settings {params.settings:q} --cohort {wildcards.cohort}"
        " --root={params.root:q} --manifest {input.manifest} --files {input.files} --groups {input.groups}"
        " --max-pixels {params.max_pixels} --threads {threads} --images {output.images} --parts {output.parts}"
        " --labels {output.labels} --record {output.record} --index {output.index} --rejects {output.rejects} 2> {log}"


rule train_segmenter:
    input:
        learnt_sources,
    output:
        weights="results/{study}/segmenters/{segmenter}/weights.safetensors",
        description="results/{study}/segmenters/{segmenter}/segmenter.json",
        history="results/{study}/segmenters/{segmenter}/history.csv",
    # Everything that looks at cells waits for it.
    priority: 20
    resources:
        **needs(4000, 720),
        gpu=segmenter_gpu(),
    params:
        settings=training_settings,
        sources=learnt_folders,
        resume="results/{study}/.resume/segmenter.{segmenter}",
    message:
        "Training the segmenter on sources: {wildcards.segmenter}"
    shell:
        "python -m leukoflow.steps.train_segmenter --settings {params.settings:q} --sources {params.sources}"
        " --code {params.code} --resume {params.resume} --threads {threads} --weights {output.weights}"
        " --description {output.description} --history {output.history} 2> {log}"


rule adapt_segmenter:
    input:
        mask_files(SOURCES),
        files=files_to_adapt_to,
        weights="results/{study}/segmenters/all/weights.safetensors",
        description="results/{study}/segmenters/all/segmenter.json",
    output:
        weights="results/{study}/segmenters/adapted/weights.safetensors",
        description="results/{study}/segmenters/adapted/segmenter.json",
        history="results/{study}/segmenters/adapted/history.csv",
    priority: 20
    resources:
        **needs(4000, 360),
        gpu=segmenter_gpu(),
    params:
        settings=adapting_settings,
        sources=mask_folders(SOURCES),
        options=adapting_options,
        resume="results/{study}/.resume/segmenter.adapted",
    message:
        "Training the segmenter further on pseudo-masks"
    shell:
        "python -m leukoflow.steps.adapt_segmenter --settings {params.settings:q} --sources {params.sources}"
        " --files {input.files} --start {input.weights} {input.description} {params.options} --code {params.code}"
        " --resume {params.resume} --threads {threads} --weights {output.weights} --description {output.description}"
        " --history {output.history} 2> {log}"


ruleorder: adapt_segmenter > train_segmenter


rule score_segmenter:
    input:
        scored_sources,
        weights="results/{study}/segmenters/{segmenter}/weights.safetensors",
        description="results/{study}/segmenters/{segmenter}/segmenter.json",
    output:
        scores="results/{study}/segmenters/{segmenter}/scores.csv",
        instances="results/{study}/segmenters/{segmenter}/instances.csv",
    resources:
        **needs(3000, 60),
        gpu=segmenter_gpu(),
    params:
        settings=scoring_settings,
        name=trained_on,
        folders=scored_folders,
    message:
        "Holding the segmenter ({wildcards.segmenter}) against masks"
    shell:
        "python -m leukoflow.steps.score_segmenter --settings {params.settings:q} --name {params.name}"
        " --weights {input.weights} --description {input.description} {params.folders} --threads {threads}"
        " --output {output.scores} --instances {output.instances} 2> {log}"


rule segment:
    input:
        files="results/{study}/cohorts/{cohort}/files.parquet",
        weights=SEGMENTER_FILES[0],
        description=SEGMENTER_FILES[1],
    output:
        labels="results/{study}/cells/{cohort}/{shard}.npy",
        index="results/{study}/cells/{cohort}/{shard}.parquet",
    priority: 20
    resources:
        **needs(2500, 120),
        gpu=segmenter_gpu(),
    params:
        settings=segmentation_settings,
        size=segmented_size,
        root=cohort_root,
        max_pixels=max_pixels,
        shard=shard_number,
        shards=cohort_shards,
    message:
        "Finding the white cells of {wildcards.cohort}, shard {wildcards.shard}"
    shell:
        "python -m leukoflow.steps.segment --settings {params.settings:q} --size {params.size}"
        " --root={params.root:q} --files {input.files} --weights {input.weights}"
        " --description {input.description} --shard {params.shard} --shards {params.shards}"
        " --max-pixels {params.max_pixels} --threads {threads} --output {output.labels} --index {output.index}"
        " 2> {log}"


rule measure_cells:
    input:
        labels="results/{study}/cells/{cohort}/{shard}.npy",
        index="results/{study}/cells/{cohort}/{shard}.parquet",
    output:
        "results/{study}/cells/{cohort}/measured/{shard}.parquet",
    resources:
        **needs(2000, 60),
    params:
        settings=segmentation_settings,
        root=cohort_root,
        max_pixels=max_pixels,
    message:
        "Measuring the white cells of {wildcards.cohort}, shard {wildcards.shard}"
    shell:
        "python -m leukoflow.steps.measure_cells --settings {params.settings:q} --root={params.root:q}"
        " --labels {input.labels} --max-pixels {params.max_pixels} --threads {threads}"
        " --output {output} 2> {log}"


rule gather_cells:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        cells=measured_cells,
    output:
        cells="results/{study}/cells/{cohort}/cells.parquet",
        images="results/{study}/cells/{cohort}/images.parquet",
    resources:
        **needs(3000, 60),
    message:
        "Gathering the white cells of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.gather_cells --cells {input.cells} --manifest {input.manifest}"
        " --outputs {output.cells} {output.images} 2> {log}"


rule augment_examples:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        images="results/{study}/cells/{cohort}/images.parquet",
        view=plain_view,
    output:
        images="results/{study}/augmented/{cohort}.{task}/000.npy",
        index="results/{study}/augmented/{cohort}.{task}/000.parquet",
    resources:
        **needs(1500, 10),
    params:
        settings=augmentation_settings,
        seed=augmentation_seed,
        task=task_settings,
    message:
        "Changing example images of {wildcards.cohort} as training does"
    shell:
        "python -m leukoflow.steps.augment_examples --settings {params.settings:q} --seed {params.seed}"
        " --task {params.task:q} --manifest {input.manifest} --images {input.images} --view {input.view}"
        " --output {output.images} 2> {log}"
