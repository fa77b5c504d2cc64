# From a URL, a folder or a seed to a manifest: every image decoded once, bad ones named.


rule fetch:
    output:
        archive=ensure(
            "resources/{cohort}/archive", non_empty=True, sha256=expected_digest
        ),
        digest="resources/{cohort}/archive.sha256",
    resources:
        **needs(1000, 720),
    params:
        code="",  # A download stays, whatever becomes of the step.
        url=lookup_url,
        digest=archive_digest_option,
    message:
        "Downloading cohort {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.fetch --url {params.url:q} {params.digest}"
        " --output {output.archive} 2> {log}"


rule extract:
    input:
        "resources/{cohort}/archive",
    output:
        "resources/{cohort}/contents.csv",
    resources:
        **needs(1000, 240),
    params:
        settings=cohort_settings,
        folder=cohort_root,
    message:
        "Unpacking cohort {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.extract --archive {input} --folder={params.folder:q}"
        " --settings {params.settings:q} --output {output} 2> {log}"


rule list_images:
    input:
        contents=download_contents,
    output:
        listing="results/{study}/cohorts/{cohort}/listing.parquet",
        names="results/{study}/cohorts/{cohort}/names.csv",
    resources:
        **needs(2000, 60),
    params:
        settings=cohort_settings,
        root=cohort_root,
        contents=option("--contents", download_contents),
        mark=mark_of(LISTING),
    message:
        "Listing the images of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.list_images --settings {params.settings:q} --root={params.root:q}"
        " {params.contents} --names {output.names} --output {output.listing} 2> {log}"


rule account_files:
    input:
        contents=download_contents,
    output:
        left_out="results/{study}/cohorts/{cohort}/left_out.parquet",
        warnings="results/{study}/cohorts/{cohort}/warnings.csv",
    resources:
        **needs(2000, 60),
    params:
        settings=cohort_settings,
        root=cohort_root,
        contents=option("--contents", download_contents),
        mark=mark_of(ACCOUNT),
    message:
        "Accounting for the other files of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.list_images --settings {params.settings:q} --root={params.root:q}"
        " {params.contents} --left-out {output.left_out} --warnings {output.warnings} 2> {log}"


rule synthesise:
    output:
        "results/{study}/cohorts/{cohort}/drawn/{shard}.parquet",
    wildcard_constraints:
        cohort=any_of(SYNTHETIC),
    resources:
        **needs(1000, 30),
    params:
        settings=cohort_settings,
        root=cohort_root,
        shard=shard_number,
        shards=cohort_shards,
    message:
        "Drawing smears of {wildcards.cohort}, shard {wildcards.shard}"
    shell:
        "python -m leukoflow.steps.synthesise --settings {params.settings:q} --root={params.root:q}"
        " --shard {params.shard} --shards {params.shards} --output {output} 2> {log}"


rule measure:
    input:
        listing=listing_of_shard,
        contents=download_contents,
    output:
        measured="results/{study}/cohorts/{cohort}/measured/{shard}.parquet",
        thumbnails="results/{study}/cohorts/{cohort}/thumbnails/{shard}.npy",
        record="results/{study}/.content/{cohort}.{shard}.parquet",
    resources:
        **needs(2000, 30),
    params:
        root=cohort_root,
        whole=is_whole,
        shard=shard_number,
        shards=cohort_shards,
        max_pixels=max_pixels,
        aspect=cohort_option("aspect"),
        bits=cohort_option("bits"),
        mark=shard_mark,
    message:
        "Decoding and measuring {wildcards.cohort}, shard {wildcards.shard}"
    shell:
        "python -m leukoflow.steps.measure --max-pixels {params.max_pixels} --root={params.root:q}"
        " --listing {input.listing} {params.whole} {params.aspect} {params.bits} --shard {params.shard} --shards {params.shards}"
        " --output {output.measured} --thumbnails {output.thumbnails} --record {output.record} 2> {log}"


rule manifest:
    input:
        measured=measured_files,
    output:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        quality="results/{study}/cohorts/{cohort}/quality.parquet",
        files="results/{study}/cohorts/{cohort}/files.parquet",
    wildcard_constraints:
        cohort=any_of(MEASURED),
    resources:
        **needs(2000, 30),
    params:
        scale=cohort_option("um_per_pixel"),
        aspect=cohort_option("aspect"),
        bits=cohort_option("bits"),
    message:
        "Gathering the manifest of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.manifest --measured {input.measured} {params.scale} {params.aspect} {params.bits}"
        " --manifest {output.manifest} --quality {output.quality} --files {output.files} 2> {log}"


rule pool:
    input:
        joined_tables,
    output:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        quality="results/{study}/cohorts/{cohort}/quality.parquet",
        files="results/{study}/cohorts/{cohort}/files.parquet",
    wildcard_constraints:
        cohort=any_of(POOLED),
    resources:
        **needs(2000, 30),
    params:
        cohorts=joined_option,
    message:
        "Gathering the laboratories of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.pool {params.cohorts} --manifest {output.manifest} --quality {output.quality}"
        " --files {output.files} 2> {log}"


rule rejects:
    input:
        measured=measured_files,
        left_out=left_out_file,
    output:
        "results/{study}/cohorts/{cohort}/rejects.csv",
    resources:
        **needs(2000, 30),
    params:
        left_out=option("--left-out", left_out_file),
    message:
        "Gathering the rejected files of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.manifest --measured {input.measured} {params.left_out} --rejects {output} 2> {log}"
