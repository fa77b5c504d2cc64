# What each network costs: size, operations, time, memory, energy.


rule profile:
    input:
        descriptions=files_of(profiled, "model.json"),
        histories=files_of(profiled, "history.csv"),
        weights=files_of(measured, "weights.safetensors"),
        features=measured_features,
        segmenter=profiled_segmenter,
    output:
        collect(
            "results/{{study}}/parts/profile/{{task}}.{{side}}/{table}.csv",
            table=tables_of("profile"),
        ),
    # Latency is that of one thread.
    threads: 1
    resources:
        **needs(6000, 180),
        gpu=1,
    params:
        code=profile_code,
        settings=STUDY.evaluation.profile.model_dump_json(),
        runs=words(profiled),
        features=feature_sources,
        views=profiled_views,
        segmenter=option("--segmenter", profiled_segmenter),
    message:
        "Measuring the networks of {wildcards.task} on images of {wildcards.side} pixels"
    shell:
        "python -m leukoflow.steps.profile --settings {params.settings:q} --runs results/{wildcards.study}/runs --of {params.runs}"
        " --side {wildcards.side} --features {params.features:q} --selections results/{wildcards.study}/selections"
        " --views {params.views:q} {params.segmenter} --output results/{wildcards.study}/parts/profile/{wildcards.task}.{wildcards.side} 2> {log}"
