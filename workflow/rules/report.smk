# The report, and where the results are from.


rule report:
    input:
        study="results/{study}/study.json",
        tables=collect(
            "results/{{study}}/tables/{table}.csv",
            table=list(SPECS),
        ),
        figures=FIGURE_FILES,
        svg=[figure.replace(".png", ".svg") for figure in FIGURE_FILES],
    output:
        report(
            "results/{study}/report.html",
            caption="../report/report.rst",
            category="Report",
        ),
    threads: 2
    resources:
        **needs(1500, 30),
    params:
        template=data_digest("report", "templates"),
    message:
        "Writing the report"
    shell:
        "python -m leukoflow.steps.report --study {input.study} --tables {input.tables}"
        " --figures {input.figures} --threads {threads} --output {output} 2> {log}"


rule provenance:
    input:
        study="results/{study}/study.json",
        report="results/{study}/report.html",
        exported=expand("results/{{study}}/export/{name}/export.json", name=EXPORTED),
    output:
        "results/{study}/provenance.json",
    resources:
        **needs(1000, 120),
    params:
        benchmarks="benchmarks/{study}",
    message:
        "Recording where the results are from"
    shell:
        "python -m leukoflow.steps.provenance --study {input.study} --benchmarks {params.benchmarks}"
        " --output {output} 2> {log}"
