# Every figure of the study, as the catalogue of outputs describes it.

FIGURES = figures_of(PLAN)
FIGURE_FILES = [f"{RESULTS}/figures/{name}.png" for name in FIGURES]


def figure_inputs(wildcards):
    spec, panel = FIGURES[wildcards.figure]
    return [file for files in spec.reads(PLAN, panel).values() for file in files]


def figure_inputs_option(wildcards):
    spec, panel = FIGURES[wildcards.figure]
    return " ".join(
        file_words(f"{name}={file}" for file in files)
        for name, files in spec.reads(PLAN, panel).items()
        if files
    )


def figure_settings(wildcards):
    return json.dumps(settings_of(PLAN, *FIGURES[wildcards.figure]))


def figure_function(wildcards):
    return FIGURES[wildcards.figure][0].draw


def figure_code(wildcards):
    """Fingerprint of the step and of the module that draws: an edit of one figure draws that one again."""
    file = figure_function(wildcards).partition(".")[0]
    return code_of("steps.figure", f"figures.{file}")


def figure_caption(wildcards):
    return caption_of(wildcards.figure, STUDY.evaluation.confidence)


def figure_section(wildcards):
    return TITLES[FIGURES[wildcards.figure][0].section]


def figure_labels(wildcards):
    spec, panel = FIGURES[wildcards.figure]
    parts = dict(zip(PARTS[len(panel)], panel))
    return {"figure": spec.name.replace("_", " "), **parts}


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
    log:
        "logs/{study}/figure/{figure}.log",
    benchmark:
        "benchmarks/{study}/figure/{figure}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2500),
        runtime=grows(60),
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
