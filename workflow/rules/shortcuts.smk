# The shortcut audit: probes that see no cell's shape, models next to them, what other stains do.


rule probe:
    input:
        view=f"results/{{study}}/views/{{cohort}}.{PLAN.plain}/view.json",
        manifest="results/{study}/cohorts/{cohort}/manifest.parquet",
        quality="results/{study}/cohorts/{cohort}/quality.parquet",
        splits=task_splits(audited_runs),
    output:
        table="results/{study}/parts/probes/{cohort}.{task}/probes.csv",
        answers="results/{study}/parts/probes/{cohort}.{task}/answers.parquet",
    resources:
        **needs(2500, 60),
    params:
        settings=evaluation_settings("shortcuts"),
        root=cohort_root,
    message:
        "Probing {wildcards.cohort}, {wildcards.task}, without looking at a cell's shape"
    shell:
        "python -m leukoflow.steps.probe --settings {params.settings:q} --cohort {wildcards.cohort}"
        " --task {wildcards.task} --root={params.root:q} --manifest {input.manifest} --quality {input.quality}"
        " --view {input.view} --splits {input.splits} --threads {threads} --answers {output.answers}"
        " --output {output.table} 2> {log}"


rule audit_shortcuts:
    input:
        answers="results/{study}/parts/probes/{cohort}.{task}/answers.parquet",
        predictions=tested(runs_in_panel),
        changed=files_of(checked_of, "changed.parquet"),
    output:
        collect(
            "results/{{study}}/parts/shortcuts/{{cohort}}.{{task}}.{{view}}.{{protocol}}/{table}.csv",
            table=tables_of("shortcuts"),
        ),
    resources:
        **needs(2500, 60),
    params:
        settings=evaluation_settings("shortcuts"),
        classes=class_names,
        runs=words(runs_in_panel),
        changed=words(checked_of),
        output="results/{study}/parts/shortcuts/{cohort}.{task}.{view}.{protocol}",
    message:
        "Auditing shortcuts on {wildcards.cohort}, {wildcards.view} view, {wildcards.protocol} split"
    shell:
        "python -m leukoflow.steps.audit_shortcuts --settings {params.settings:q} --classes {params.classes:q}"
        " --answers {input.answers} --runs results/{wildcards.study}/runs --of {params.runs}"
        " --changed {params.changed} --output {params.output} 2> {log}"
