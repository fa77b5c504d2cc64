# What runs are made from, and what is gathered from them.


def own_predictions(runs):
    """Predictions of runs on their own cohorts."""
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{run.cohort}.parquet" for run in runs
    ]


def all_predictions(runs):
    """Predictions of runs on all cohorts that they are tested on."""
    return [
        f"{RESULTS}/runs/{run.name}/predictions/{target}.parquet"
        for run in runs
        for target in RUNS[run]
    ]


def view_settings(wildcards):
    return STUDY.views[wildcards.view].model_dump_json()


def model_settings(wildcards):
    # What a paper publishes, and what made the model, trains nothing: a change of these trains nothing anew.
    return STUDY.models[wildcards.model].model_dump_json(
        exclude={"published", "variant"}
    )


def devices(wildcards):
    """Devices that share a run's batches."""
    return STUDY.models[wildcards.model].training.devices


def task_settings(wildcards):
    return STUDY.tasks[wildcards.task].model_dump_json()


def split_settings(wildcards):
    task, splits = STUDY.tasks[wildcards.task], STUDY.splits
    return f'{{"task":{task.model_dump_json()},"splits":{splits.model_dump_json()}}}'


def all_tasks(wildcards):
    # A function, for in plain params Snakemake would take braces in the classes' names for wildcards.
    return json.dumps({name: each.model_dump() for name, each in STUDY.tasks.items()})


def whole_study(wildcards):
    # As given: with every default filled in, a large study would not fit into one argument of a command.
    return STUDY.model_dump_json(exclude_unset=True)


def class_names(wildcards):
    return json.dumps(STUDY.tasks[wildcards.task].classes)


def architecture_code(step):
    """A params function: fingerprint of a step together with the run's architecture."""

    def code(wildcards):
        file = module_name(STUDY.models[wildcards.model].architecture)
        return code_of(f"steps.{step}", file.removeprefix("leukoflow."))

    return code
