# Runs that are put through changed images.


def reads_pictures(run):
    return STUDY.models[run.model].features is None


STRESSED = [run for run in checked_runs(STUDY, "stress") if reads_pictures(run)]


def own_view(wildcards):
    return f"{view_folder(wildcards.cohort, wildcards.view)}/view.json"
