# Models written as folders that `leukoflow predict` and `leukoflow serve` answer with.


rule export:
    input:
        segmenter_to_export,
        weights=file_of_run("weights.safetensors"),
        description=file_of_run("model.json"),
        novelty=file_of_run("novelty.safetensors"),
        view=view_of_exported,
        split=split_of_exported,
    output:
        files=collect(
            "results/{{study}}/export/{{exported}}/{file}", file=EXPORTED_FILES
        ),
        costs="results/{study}/parts/export/{exported}.json",
    conda:
        "../../envs/torch.yaml"
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=exporting_code,
        settings=export_settings,
        run=name_of_exported,
        options=export_options,
    message:
        "Exporting {wildcards.exported}"
    shell:
        "python -m leukoflow.steps.export --settings {params.settings:q} --run {params.run}"
        " --weights {input.weights} --description {input.description} --novelty {input.novelty} --view {input.view}"
        " --split {input.split} {params.options} --threads {threads}"
        " --folder results/{wildcards.study}/export/{wildcards.exported} --costs {output.costs} 2> {log}"


rule card:
    input:
        files=collect(
            "results/{{study}}/export/{{exported}}/{file}", file=EXPORTED_FILES
        ),
        costs="results/{study}/parts/export/{exported}.json",
        study="results/{study}/study.json",
        description=file_of_run("model.json"),
        thresholds=file_of_run("thresholds.json"),
        predictions=predictions_of_exported,
        gate=gate_of_exported,
        segmenter="results/{study}/segmenters/all/segmenter.json",
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
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.card"),
        run=name_of_exported,
    message:
        "Writing the card of {wildcards.exported}"
    shell:
        "python -m leukoflow.steps.card --study {input.study} --run {params.run} --description {input.description}"
        " --predictions {input.predictions} --thresholds {input.thresholds} --gate {input.gate}"
        " --segmenter {input.segmenter} --tables results/{wildcards.study}/tables --costs {input.costs}"
        " --folder results/{wildcards.study}/export/{wildcards.exported} 2> {log}"
