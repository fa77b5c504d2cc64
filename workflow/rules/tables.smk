# Tables of the study, as the catalogue of outputs describes them: made by a function each, or gathered from the parts of
# their panels.


rule table:
    input:
        table_inputs,
    output:
        in_report(["{table}"]),
    wildcard_constraints:
        table=any_of(tables_of("table")),
    resources:
        **needs(2000, 30),
    params:
        code=table_code,
        make=table_function,
        inputs=table_inputs_option,
        settings=table_settings,
    message:
        "Making table {wildcards.table}"
    shell:
        "python -m leukoflow.steps.table {params.make} --inputs {params.inputs}"
        " --settings {params.settings:q} --output {output} 2> {log}"


for kind in PARTS_OF:

    rule:
        name:
            f"{kind}_tables"
        input:
            expand(
                f"{RESULTS}/parts/{kind}/{{panel}}/{{table}}.csv",
                panel=panels_of_kind(kind),
                table=tables_of(kind),
            ),
        output:
            in_report(tables_of(kind)),
        resources:
            **needs(2000, 30),
        params:
            kind=kind,
            panels=panels_of_kind(kind),
        message:
            f"Gathering the tables of {kind}"
        shell:
            "python -m leukoflow.steps.gather_tables --parts results/{wildcards.study}/parts/{params.kind}"
            " --of {params.panels} --outputs {output} 2> {log}"
