# Models of an experiment compared: with its reference, with each other, on changed images, by number of images.


rule compare:
    input:
        predictions=tested(runs_of_experiment),
        models=files_of(runs_of_experiment, "model.json"),
    output:
        "results/{study}/comparisons/{experiment}.csv",
    resources:
        **needs(2000, 30),
    params:
        settings=evaluation_settings(),
        names=words(runs_of_experiment),
        reference=reference_of,
        published=published_accuracies,
    message:
        "Comparing the models of {wildcards.experiment} with {params.reference}"
    shell:
        "python -m leukoflow.steps.compare --settings {params.settings:q} --experiment {wildcards.experiment}"
        " --reference {params.reference} --published {params.published:q} --runs results/{wildcards.study}/runs"
        " --of {params.names} --output {output} 2> {log}"


rule statistics:
    input:
        predictions=tested(runs_of_experiment),
        models=files_of(runs_of_experiment, "model.json"),
        partners=partner_predictions,
    output:
        tests="results/{study}/parts/statistics/{experiment}/statistics.csv",
        ranks="results/{study}/parts/statistics/{experiment}/ranks.csv",
    resources:
        **needs(3000, 60),
    params:
        settings=evaluation_settings(),
        reference=reference_option,
        tasks=all_tasks,
        names=words(runs_of_experiment),
        partners=words(partner_runs),
    message:
        "Testing the models of {wildcards.experiment}"
    shell:
        "python -m leukoflow.steps.statistics --settings {params.settings:q} --experiment {wildcards.experiment}"
        " {params.reference} --tasks {params.tasks:q} --runs results/{wildcards.study}/runs --of {params.names}"
        " --partners {params.partners} --output {output.tests} --ranks {output.ranks} 2> {log}"


rule remedies:
    input:
        files_of(runs_held_to_reference, "changed.parquet"),
    output:
        "results/{study}/parts/remedies/{experiment}/remedies.csv",
    wildcard_constraints:
        experiment=any_of(STUDY.experiments),
    resources:
        **needs(3000, 60),
    params:
        settings=evaluation_settings(),
        reference=view_and_reference,
        runs=words(runs_held_to_reference),
    message:
        "Measuring what remedies of {wildcards.experiment} gain"
    shell:
        "python -m leukoflow.steps.remedies --settings {params.settings:q} --experiment {wildcards.experiment}"
        " --reference {params.reference} --runs results/{wildcards.study}/runs --of {params.runs}"
        " --output {output} 2> {log}"


rule sample_size:
    input:
        scores="results/{study}/tables/scores.csv",
        models=[f"{RESULTS}/runs/{run.name}/model.json" for run in SHARED_RUNS],
    output:
        in_report(["sample_size"]),
    resources:
        **needs(1500, 30),
    params:
        models=models_on_shares(),
        runs=[run.name for run in SHARED_RUNS],
    message:
        "Gathering accuracy against the number of training images"
    shell:
        "python -m leukoflow.steps.sample_size --models {params.models:q} --scores {input.scores}"
        " --runs results/{wildcards.study}/runs --of {params.runs} --output {output} 2> {log}"
