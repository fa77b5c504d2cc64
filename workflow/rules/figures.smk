# Every figure of the study, as the catalogue of outputs describes it.


rule figure:
    input:
        figure_inputs,
    output:
        png=report(
            "results/{study}/figures/{figure}.png",
            caption="../report/figure.rst",
            category=figure_section,
            labels=figure_labels,
        ),
        svg="results/{study}/figures/{figure}.svg",
        table="results/{study}/figures/{figure}.csv",
    resources:
        **needs(2500, 60),
    params:
        code=figure_code,
        draw=figure_function,
        inputs=figure_inputs_option,
        settings=figure_settings,
        caption=figure_caption,
    message:
        "Drawing {wildcards.figure}"
    shell:
        "python -m leukoflow.steps.figure {params.draw} --inputs {params.inputs}"
        " --settings {params.settings:q} --output {output.png} 2> {log}"
