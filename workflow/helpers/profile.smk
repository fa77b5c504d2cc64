# What is measured of networks: those of one task on images of one size together, for they are alike on several views.

PROFILE_TABLES = ("efficiency", "energy", "layers", "speed")


def profile_of(run):
    """The job that measures a run's network."""
    return f"{run.task}.{STUDY.views[run.view].size}"


PROFILES = sorted({profile_of(run) for run in RUNS})


def profiled(wildcards):
    return [
        run for run in RUNS if profile_of(run) == f"{wildcards.task}.{wildcards.side}"
    ]


def profiled_names(wildcards):
    return words_of(profiled(wildcards))


def profiled_files(name):
    def files(wildcards):
        return [f"{RESULTS}/runs/{run.name}/{name}" for run in profiled(wildcards)]

    return files


def profiled_weights(wildcards):
    """Weights of the first run of each model on each view, which is the one that is measured."""
    first = {}
    for run in profiled(wildcards):
        first.setdefault((run.view, run.model), run)
    return [f"{RESULTS}/runs/{run.name}/weights.safetensors" for run in first.values()]


def profile_code(wildcards):
    """Fingerprint of the step together with all architectures that it measures."""
    names = sorted(
        {STUDY.models[run.model].architecture for run in profiled(wildcards)}
    )
    files = sorted({module_name(name).removeprefix("leukoflow.") for name in names})
    return code_of("steps.profile", *files)
