# Models written as folders that `leukoflow predict` and `leukoflow serve` answer with.


rule export:
    input:
        segmenter_to_export,
        features=by_exported(picture_features),
        backbones=by_exported(picture_weights),
        weights=of_exported("runs/{run.name}/weights.safetensors"),
        description=of_exported("runs/{run.name}/model.json"),
        novelty=of_exported("runs/{run.name}/novelty.safetensors"),
        view=by_exported(own_view),
        split=of_exported("splits/{run.cohort}.{run.task}.{run.protocol}.parquet"),
    output:
        files=collect(
            "results/{{study}}/export/{{exported}}/{file}", file=EXPORTED_FILES
        ),
        costs="results/{study}/parts/export/{exported}.json",
    resources:
        **needs(4000, 60),
    params:
        code=architecture_code("export", "exported"),
        settings=export_settings,
        run=name_of_exported,
        options=export_options,
        features=by_exported(picture_features_option),
        start=by_exported(picture_weights_content),
    message:
        "Exporting {wildcards.exported}"
    shell:
        "python -m leukoflow.steps.export --settings {params.settings:q} --run {params.run}"
        " --weights {input.weights} --description {input.description} --novelty {input.novelty} --view {input.view}"
        " {params.features} --backbones {input.backbones:q} --split {input.split} {params.options} --threads {threads}"
        " --folder results/{wildcards.study}/export/{wildcards.exported} --costs {output.costs} 2> {log}"


rule card:
    input:
        files=collect(
            "results/{{study}}/export/{{exported}}/{file}", file=EXPORTED_FILES
        ),
        costs="results/{study}/parts/export/{exported}.json",
        study="results/{study}/study.json",
        description=of_exported("runs/{run.name}/model.json"),
        thresholds=of_exported("runs/{run.name}/thresholds.json"),
        predictions=of_exported("runs/{run.name}/predictions/{run.cohort}.parquet"),
        siblings=tested(siblings_of_exported),
        calibration=calibration_of_exported,
        quality=of_exported("cohorts/{run.cohort}/quality.parquet"),
        manifest=of_exported("cohorts/{run.cohort}/manifest.parquet"),
        gate=of_exported("gates/{run.cohort}.{run.task}.{run.protocol}.json"),
        segmenter=SEGMENTER_FILES[1],
        stain=by_exported(stain_of_run),
        tables=collect(
            "results/{{study}}/tables/{table}.csv",
            table=["scores", "shortcut_audit", "audit"],
        ),
    output:
        facts="results/{study}/export/{exported}/export.json",
        card=report(
            "results/{study}/export/{exported}/card.md",
            caption="../report/card.rst",
            category="Exported models",
            labels={"model": "{exported}"},
        ),
        licences="results/{study}/export/{exported}/LICENCES.md",
    resources:
        **needs(1500, 30),
    params:
        run=name_of_exported,
        siblings=words(siblings_of_exported),
        calibration=calibration_option,
        stain=by_exported(stain_of_run_option),
    message:
        "Writing the card of {wildcards.exported}"
    shell:
        "python -m leukoflow.steps.card --study {input.study} --run {params.run} --description {input.description}"
        " --predictions {input.predictions} --siblings {params.siblings} --runs results/{wildcards.study}/runs {params.calibration} --thresholds {input.thresholds} --gate {input.gate}"
        " --quality {input.quality} --manifest {input.manifest} --segmenter {input.segmenter}"
        " --tables results/{wildcards.study}/tables --costs {input.costs} {params.stain}"
        " --folder results/{wildcards.study}/export/{wildcards.exported} 2> {log}"
