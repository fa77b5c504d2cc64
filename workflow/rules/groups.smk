# Duplicates within and across cohorts, acquisition clusters, splits, and their audit.


rule group_images:
    input:
        manifests=collect(
            "results/{{study}}/cohorts/{cohort}/manifest.parquet", cohort=USED_COHORTS
        ),
        qualities=collect(
            "results/{{study}}/cohorts/{cohort}/quality.parquet", cohort=USED_COHORTS
        ),
        thumbnails=cohort_files(USED_COHORTS, "thumbnails/{shard}.npy"),
        features=linking_features,
    output:
        duplicates="results/{study}/quality/duplicates.parquet",
        groups="results/{study}/quality/groups.parquet",
    resources:
        **needs(4000, 120),
    params:
        settings=STUDY.quality.model_dump_json(),
        cohorts=group_images_options,
    message:
        "Looking for duplicates and acquisition clusters"
    shell:
        "python -m leukoflow.steps.group_images --settings {params.settings:q} {params.cohorts}"
        " --features {input.features} --duplicates {output.duplicates} --groups {output.groups} 2> {log}"


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
