# Duplicates within and across cohorts, acquisition clusters, splits, and their audit.


rule describe_images:
    input:
        manifests=collect(
            "results/{{study}}/cohorts/{cohort}/manifest.parquet", cohort=USED_COHORTS
        ),
        qualities=collect(
            "results/{{study}}/cohorts/{cohort}/quality.parquet", cohort=USED_COHORTS
        ),
        thumbnails=cohort_files(USED_COHORTS, "thumbnails/{shard}.npy"),
    output:
        described=temp("results/{study}/quality/described/{shard}.npz"),
        sketches=temp("results/{study}/quality/described/{shard}.npy"),
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code_of("steps.describe_images"),
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
        manifests=collect(
            "results/{{study}}/cohorts/{cohort}/manifest.parquet", cohort=USED_COHORTS
        ),
        qualities=collect(
            "results/{{study}}/cohorts/{cohort}/quality.parquet", cohort=USED_COHORTS
        ),
        thumbnails=cohort_files(USED_COHORTS, "thumbnails/{shard}.npy"),
        described=described_files(".npz"),
        sketches=described_files(".npy"),
    output:
        "results/{study}/quality/compared/{shard}.npz",
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        code=code_of("steps.compare_images"),
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
        manifests=collect(
            "results/{{study}}/cohorts/{cohort}/manifest.parquet", cohort=USED_COHORTS
        ),
        qualities=collect(
            "results/{{study}}/cohorts/{cohort}/quality.parquet", cohort=USED_COHORTS
        ),
        thumbnails=cohort_files(USED_COHORTS, "thumbnails/{shard}.npy"),
        compared=compared_files,
    output:
        duplicates="results/{study}/quality/duplicates.parquet",
        groups="results/{study}/quality/groups.parquet",
    resources:
        mem_mb=grows(4000),
        runtime=grows(120),
    params:
        code=code_of("steps.group_images"),
        settings=duplicate_settings("clusters_per_class"),
        cohorts=group_images_options,
        compared=compared_option,
    message:
        "Looking for duplicates and acquisition clusters"
    shell:
        "python -m leukoflow.steps.group_images --settings {params.settings:q} {params.cohorts}"
        " {params.compared}"
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
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.split"),
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
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.audit_split"),
        dropped=dropped_option,
    message:
        "Auditing the {wildcards.protocol} split of {wildcards.cohort} for {wildcards.task}"
    shell:
        "python -m leukoflow.steps.audit_split --protocol {wildcards.protocol} {params.dropped} --cohort {wildcards.cohort}"
        " --split {input.split} --manifest {input.manifest} --groups {input.groups}"
        " --duplicates {input.duplicates} --output {output} 2> {log}"
