# Duplicates within and across cohorts, acquisition clusters, splits, and their audit.


rule describe_images:
    input:
        unpack(all_images),
    output:
        described=temp("results/{study}/quality/described/{shard}.npz"),
        sketches=temp("results/{study}/quality/described/{shard}.npy"),
    resources:
        **needs(2000, 60),
    params:
        cohorts=group_images_options,
        part=shard_number,
        parts=PARTS_COMPARED,
    message:
        "Describing part {wildcards.shard} of the images"
    shell:
        "python -m leukoflow.steps.describe_images {params.cohorts} --part {params.part} --parts {params.parts}"
        " --sketches {output.sketches} --output {output.described} 2> {log}"


rule compare_images:
    input:
        unpack(all_images),
        described=described_files(".npz"),
        sketches=described_files(".npy"),
    output:
        "results/{study}/quality/compared/{shard}.npz",
    resources:
        **needs(4000, 120),
    params:
        settings=duplicate_settings(),
        cohorts=group_images_options,
        part=shard_number,
    message:
        "Comparing part {wildcards.shard} of the images with all"
    shell:
        "python -m leukoflow.steps.compare_images --settings {params.settings:q} {params.cohorts}"
        " --part {params.part} --described {input.described} --sketches {input.sketches} --output {output} 2> {log}"


rule group_images:
    input:
        unpack(all_images),
        features=linking_features,
        compared=compared_files,
    output:
        duplicates="results/{study}/quality/duplicates.parquet",
        groups="results/{study}/quality/groups.parquet",
    resources:
        **needs(4000, 120),
    params:
        settings=duplicate_settings("clusters_per_class", "deep"),
        cohorts=group_images_options,
        compared=option("--compared", compared_files),
        pools=pools_option,
    message:
        "Looking for duplicates and acquisition clusters"
    shell:
        "python -m leukoflow.steps.group_images --settings {params.settings:q} {params.cohorts}"
        " {params.compared} {params.pools} --features {input.features}"
        " --duplicates {output.duplicates} --groups {output.groups} 2> {log}"


rule split:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        groups="results/{study}/quality/groups.parquet",
    output:
        "results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
    # Before all that takes long: a cohort that cannot be divided stops the study here.
    priority: 20
    resources:
        **needs(2000, 30),
    params:
        settings=split_settings,
    message:
        "Splitting {wildcards.cohort} for {wildcards.task} by {wildcards.protocol}"
    shell:
        "python -m leukoflow.steps.split --settings {params.settings:q} --protocol {wildcards.protocol}"
        " --cohort {wildcards.cohort} --manifest {input.manifest} --groups {input.groups}"
        " --output {output} 2> {log}"


rule audit_split:
    input:
        split="results/{study}/splits/{cohort}.{task}.{protocol}.parquet",
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        groups="results/{study}/quality/groups.parquet",
        duplicates="results/{study}/quality/duplicates.parquet",
    output:
        "results/{study}/splits/{cohort}.{task}.{protocol}.audit.json",
    resources:
        **needs(2000, 30),
    params:
        dropped=dropped_option,
    message:
        "Auditing the {wildcards.protocol} split of {wildcards.cohort} for {wildcards.task}"
    shell:
        "python -m leukoflow.steps.audit_split --protocol {wildcards.protocol} {params.dropped} --cohort {wildcards.cohort}"
        " --split {input.split} --manifest {input.manifest} --groups {input.groups}"
        " --duplicates {input.duplicates} --output {output} 2> {log}"
