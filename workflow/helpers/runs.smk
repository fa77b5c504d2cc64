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


def words(runs):
    """A params function: names of the runs that a function of the wildcards gives."""

    def names(wildcards):
        return words_of(runs(wildcards))

    return names


def tested(runs):
    """An input function: predictions of those runs on their own cohorts."""

    def files(wildcards):
        return own_predictions(runs(wildcards))

    return files


def files_of(runs, name):
    """An input function: a file of each of those runs."""

    def files(wildcards):
        return PLAN.run_files(runs(wildcards), name)

    return files


def view_settings(wildcards):
    return STUDY.views[wildcards.view.partition("~")[0]].model_dump_json()


def stain_of_view(view):
    """The stain that a view is brought to, if that has to be found; the view as its folder is named."""
    name, _, fold = view.partition("~")
    reference = stain_name(STUDY, name, fold)
    return [f"{RESULTS}/stains/{reference}.json"] if reference else []


def stain(wildcards):
    """The stain of a view that is rendered."""
    return stain_of_view(wildcards.view)


def stain_of_run(wildcards):
    """The stain of the view that a run sees."""
    return stain_of_view(drawn_view(STUDY, wildcards))


stain_of_run_option = option("--stain", stain_of_run)


def template(wildcards):
    file = STUDY.views[wildcards.view].target
    if not os.path.isfile(file):
        raise WorkflowError(
            f"views.{wildcards.view}: the template image {file} is missing; set target of reinhard to an image file"
        )
    return file


def model_settings(wildcards):
    # What a paper publishes, and what made the model, trains nothing: a change of these trains nothing again.
    return STUDY.models[wildcards.model].model_dump_json(
        exclude={"published", "variant"}
    )


def devices(wildcards):
    """Devices that share a run's batches."""
    return STUDY.models[wildcards.model].training.devices


def task_settings(wildcards):
    return STUDY.tasks[wildcards.task].model_dump_json()


def split_settings(wildcards):
    task, division = STUDY.tasks[wildcards.task], STUDY.division(wildcards.protocol)
    return (
        f'{{"task":{task.model_dump_json()},"division":{division.model_dump_json()}}}'
    )


def dropped_option(wildcards):
    dropped = STUDY.division(wildcards.protocol).drops_copies
    return "--dropped" if dropped else ""


def all_tasks(wildcards):
    # A function, for in plain params Snakemake would take braces in the classes' names for wildcards.
    return json.dumps({name: task.model_dump() for name, task in STUDY.tasks.items()})


def whole_study(wildcards):
    # As given: with every default filled in, a large study would not fit into one argument of a command.
    return STUDY.model_dump_json(exclude_unset=True)


def class_names(wildcards):
    return json.dumps(STUDY.tasks[wildcards.task].classes)


def code_with(step, models):
    """Fingerprint of a step together with the architectures of models."""
    files = {module_name(STUDY.models[name].architecture) for name in models}
    files = sorted(file.removeprefix("leukoflow.") for file in files)
    return code_of(f"steps.{step}", *files)


def architecture_code(step, model="model"):
    """A params function: fingerprint of a step together with the architecture of the model that a wildcard names."""

    def code(wildcards):
        return code_with(step, [wildcards[model]])

    return code
