# What each network costs: size, operations, time, memory, energy.


rule profile:
    input:
        descriptions=profiled_files("model.json"),
        histories=profiled_files("history.csv"),
        weights=profiled_weights,
        features=measured_features,
    output:
        collect(
            "results/{{study}}/parts/profile/{{task}}.{{side}}/{table}.csv",
            table=PROFILE_TABLES,
        ),
    log:
        "logs/{study}/profile/{task}.{side}.log",
    benchmark:
        "benchmarks/{study}/profile/{task}.{side}.tsv"
    conda:
        "../../envs/torch.yaml"
    # Latency is that of one thread.
    threads: 1
    resources:
        mem_mb=grows(6000),
        runtime=grows(180),
        gpu=1,
    params:
        code=profile_code,
        settings=STUDY.evaluation.profile.model_dump_json(),
        runs=profiled_names,
        features=feature_sources,
    message:
        "Measuring the networks of {wildcards.task} on images of {wildcards.side} pixels"
    shell:
        "python -m leukoflow.steps.profile --settings {params.settings:q} --runs results/{wildcards.study}/runs --of {params.runs}"
        " --side {wildcards.side} --features {params.features:q} --selections results/{wildcards.study}/selections"
        " --output results/{wildcards.study}/parts/profile/{wildcards.task}.{wildcards.side} 2> {log}"


rule profile_tables:
    input:
        collect(
            "results/{{study}}/parts/profile/{part}/{table}.csv",
            part=PROFILES,
            table=PROFILE_TABLES,
        ),
    output:
        report(
            collect("results/{{study}}/tables/{table}.csv", table=PROFILE_TABLES),
            caption="../report/tables.rst",
            category="Tables",
        ),
    log:
        "logs/{study}/profile_tables.log",
    benchmark:
        "benchmarks/{study}/profile_tables.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.gather_tables"),
        parts=PROFILES,
    message:
        "Gathering the tables of what the networks cost"
    shell:
        "python -m leukoflow.steps.gather_tables --parts results/{wildcards.study}/parts/profile --of {params.parts}"
        " --outputs {output} 2> {log}"


rule figure_efficiency:
    input:
        leaderboard="results/{study}/tables/leaderboard.csv",
        efficiency="results/{study}/tables/efficiency.csv",
        speed="results/{study}/tables/speed.csv",
    output:
        png=report(
            collect(
                "results/{{study}}/figures/{family}.{{cohort}}.{{task}}.{{view}}.png",
                family=PROFILE_FIGURES,
            ),
            caption="../report/efficiency.rst",
            category="Results",
        ),
        svg=collect(
            "results/{{study}}/figures/{family}.{{cohort}}.{{task}}.{{view}}.svg",
            family=PROFILE_FIGURES,
        ),
        table=collect(
            "results/{{study}}/figures/{family}.{{cohort}}.{{task}}.{{view}}.csv",
            family=PROFILE_FIGURES,
        ),
    log:
        "logs/{study}/figure_efficiency/{cohort}.{task}.{view}.log",
    benchmark:
        "benchmarks/{study}/figure_efficiency/{cohort}.{task}.{view}.tsv"
    conda:
        "../../envs/core.yaml"
    threads: 1
    resources:
        mem_mb=grows(1500),
        runtime=grows(30),
    params:
        code=code_of("steps.figure_efficiency"),
        published=published_costs,
    message:
        "Drawing accuracy against cost on {wildcards.cohort}, {wildcards.task}, {wildcards.view} view"
    shell:
        "python -m leukoflow.steps.figure_efficiency --leaderboard {input.leaderboard}"
        " --efficiency {input.efficiency} --speed {input.speed} --published {params.published:q}"
        " --cohort {wildcards.cohort} --task {wildcards.task} --view {wildcards.view}"
        " --pareto {output.png[0]} --throughput {output.png[1]} 2> {log}"
