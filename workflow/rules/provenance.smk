# Where the results are from, when all else is there.


rule provenance:
    input:
        study="results/{study}/study.json",
        report="results/{study}/report.html",
        exported=expand("results/{{study}}/export/{name}/export.json", name=EXPORTED),
    output:
        "results/{study}/provenance.json",
    resources:
        mem_mb=grows(1000),
        runtime=grows(120),
    params:
        code=code_of("steps.provenance"),
        benchmarks="benchmarks/{study}",
    message:
        "Recording where the results are from"
    shell:
        "python -m leukoflow.steps.provenance --study {input.study} --benchmarks {params.benchmarks}"
        " --output {output} 2> {log}"
