# Figures of white cells.


rule figure_stages:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        view=f"results/{{study}}/views/{{cohort}}.{PLAIN}/view.json",
        normalised=normalised_view,
        cells="results/{study}/cells/{cohort}/cells.parquet",
        images="results/{study}/cells/{cohort}/images.parquet",
    output:
        png=report(
            "results/{study}/figures/stages.{cohort}.{task}.png",
            caption="../report/stages.rst",
            category="Cells",
            labels={"figure": "stages", "cohort": "{cohort}"},
        ),
        svg="results/{study}/figures/stages.{cohort}.{task}.svg",
        table="results/{study}/figures/stages.{cohort}.{task}.csv",
    log:
        "logs/{study}/figure_stages/stages.{cohort}.{task}.log",
    benchmark:
        "benchmarks/{study}/figure_stages/stages.{cohort}.{task}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_stages"),
        settings=task_settings,
        normalised=normalised_option,
    message:
        "Drawing the way to the white cells of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.figure_stages --settings {params.settings:q} --manifest {input.manifest}"
        " --view {input.view} {params.normalised} --cells {input.cells} --output {output.png} 2> {log}"


rule figure_contact:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        view=f"results/{{study}}/views/{{cohort}}.{PLAIN}/view.json",
        cells="results/{study}/cells/{cohort}/cells.parquet",
    output:
        png=report(
            "results/{study}/figures/contact.{cohort}.{task}.png",
            caption="../report/contact.rst",
            category="Cells",
            labels={"figure": "contact sheet", "cohort": "{cohort}"},
        ),
        svg="results/{study}/figures/contact.{cohort}.{task}.svg",
        table="results/{study}/figures/contact.{cohort}.{task}.csv",
    log:
        "logs/{study}/figure_contact/contact.{cohort}.{task}.log",
    benchmark:
        "benchmarks/{study}/figure_contact/contact.{cohort}.{task}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_contact"),
        settings=task_settings,
    message:
        "Drawing a contact sheet of the white cells of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.figure_contact --settings {params.settings:q} --manifest {input.manifest}"
        " --view {input.view} --cells {input.cells} --output {output.png} 2> {log}"


rule figure_archive:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        view=f"results/{{study}}/views/{{cohort}}.{PLAIN}/view.json",
        cells="results/{study}/cells/{cohort}/cells.parquet",
        parts="results/{study}/masks/{cohort}/parts.npy",
        index="results/{study}/masks/{cohort}/index.parquet",
    output:
        png=report(
            "results/{study}/figures/archive.{cohort}.{task}.png",
            caption="../report/archive.rst",
            category="Cells",
            labels={"figure": "archive's masks", "cohort": "{cohort}"},
        ),
        svg="results/{study}/figures/archive.{cohort}.{task}.svg",
        table="results/{study}/figures/archive.{cohort}.{task}.csv",
    log:
        "logs/{study}/figure_contact/archive.{cohort}.{task}.log",
    benchmark:
        "benchmarks/{study}/figure_contact/archive.{cohort}.{task}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_contact"),
        settings=task_settings,
    message:
        "Drawing the white cells of {wildcards.cohort} beside the archive's masks"
    shell:
        "python -m leukoflow.steps.figure_contact --settings {params.settings:q} --manifest {input.manifest}"
        " --view {input.view} --cells {input.cells} --archive {input.parts} --output {output.png} 2> {log}"


rule figure_segmentation:
    input:
        segmentation="results/{study}/tables/segmentation.csv",
        instances="results/{study}/tables/instances.csv",
    output:
        png=report(
            "results/{study}/figures/segmentation.png",
            caption="../report/segmentation.rst",
            category="Cells",
            labels={"figure": "segmentation"},
        ),
        svg="results/{study}/figures/segmentation.svg",
        table="results/{study}/figures/segmentation.csv",
    log:
        "logs/{study}/figure_segmentation/segmentation.log",
    benchmark:
        "benchmarks/{study}/figure_segmentation/segmentation.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_segmentation"),
    message:
        "Drawing how well white cells are found"
    shell:
        "python -m leukoflow.steps.figure_segmentation --segmentation {input.segmentation}"
        " --instances {input.instances} --output {output.png} 2> {log}"


rule figure_cells:
    input:
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        files="results/{study}/cohorts/{cohort}/files.parquet",
        cells="results/{study}/cells/{cohort}/cells.parquet",
    output:
        png=report(
            "results/{study}/figures/cells.{cohort}.{task}.png",
            caption="../report/cells.rst",
            category="Cells",
            labels={"figure": "morphology", "cohort": "{cohort}"},
        ),
        svg="results/{study}/figures/cells.{cohort}.{task}.svg",
        table="results/{study}/figures/cells.{cohort}.{task}.csv",
        gallery=report(
            "results/{study}/figures/gallery.{cohort}.{task}.png",
            caption="../report/gallery.rst",
            category="Cells",
            labels={"figure": "typical cells", "cohort": "{cohort}"},
        ),
        gallery_svg="results/{study}/figures/gallery.{cohort}.{task}.svg",
        gallery_table="results/{study}/figures/gallery.{cohort}.{task}.csv",
    log:
        "logs/{study}/figure_cells/cells.{cohort}.{task}.log",
    benchmark:
        "benchmarks/{study}/figure_cells/cells.{cohort}.{task}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(2500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_cells"),
        settings=task_settings,
        root=cohort_root,
        max_pixels=max_pixels,
    message:
        "Drawing the morphology of the white cells of {wildcards.cohort}"
    shell:
        "python -m leukoflow.steps.figure_cells --settings {params.settings:q} --manifest {input.manifest}"
        " --files {input.files} --root={params.root:q} --max-pixels {params.max_pixels}"
        " --cells {input.cells} --output {output.png} --gallery {output.gallery} 2> {log}"
