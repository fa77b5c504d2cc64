"""Which figures of the papers a study can show, from what, and under which names.

A figure of the study stands for one of a paper when it is of the same kind (`PaperFigure.family`) and of the very
setting (cohort, task, view, protocol) of the paper's own models. Names are compared part by part: an experiment, a
model or a view may be called as a task is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leukoflow.config.families import shares_of
from leukoflow.config.models import Model
from leukoflow.config.plan import all_runs, checked_runs
from leukoflow.config.published import Paper, PaperFigure, papers
from leukoflow.config.study import Study
from leukoflow.core.runs import Run

PANEL = ("cohort", "task", "view", "protocol")
PARTS = {
    "architecture": ("model",),
    "samples": PANEL[:2],
    "stages": PANEL[:2],
    "feature_count": PANEL[:3],
    "throughput": PANEL[:3],
    "latency": PANEL[:3],
    "pareto": PANEL[:3],
    "sample_size": PANEL[:3],
    "roc": PANEL,
    "pr": PANEL,
    "reliability": PANEL,
    "reliability_classes": PANEL,
    "embedding": PANEL,
    "explain": PANEL,
    "mutual_information": PANEL,
    "frobenius": PANEL,
    "information_images": PANEL,
    "frobenius_images": PANEL,
    "robustness": PANEL,
}
"""What the names of the study's figures say after the family's: `roc.COHORT.TASK.VIEW.PROTOCOL`."""
DRAWN = ("confusion", "external_confusion", "learning", "metrics", "ablation", "per_class", "robustness", "sample_size")
"""Families drawn for a paper's own models alone; any other is a copy of what the study draws."""
BY_PROTOCOL = ("confusion", "external_confusion", "robustness")
"""Those with a figure for each protocol; the others show all protocols in one."""
NO_RESULT = "a diagram or photographs, no result"
NOT_DRAWN = "this study draws none of the paper's models"


@dataclass(frozen=True)
class Shown:
    """One figure of a paper as this study shows it, or why it does not."""

    paper: Paper
    figure: PaperFigure
    file: str = ""
    """PAPER/NUMBER_WHAT[_TASK][_PROTOCOL], below the folder of figures, without suffix; empty if there is none."""
    source: str = ""
    """Figure of the study that it is a copy of; empty if it is drawn again."""
    beside: str = ""
    """Figure of the study whose table it is drawn from, where it is drawn again from one."""
    runs: tuple[Run, ...] = ()
    """Runs that it is drawn from."""
    target: str = ""
    """Cohort tested on, if it is not the runs' own."""
    perturbations: tuple[str, ...] = ()
    """Changes of pictures that it shows."""
    differs: str = ""
    """How it differs from the paper's, in words."""
    reason: str = ""
    """Why there is none."""


@dataclass(frozen=True)
class _Setting:
    """The paper's own models on one task, cohort and view of a study."""

    paper: Paper
    figure: PaperFigure
    runs: tuple[Run, ...]
    """Of the models that stand for the paper's architectures."""
    every: tuple[Run, ...]
    """Of all models of these architectures there."""
    start: str
    """Of the file's name."""
    differs: tuple[str, ...]
    """How the setting differs from the paper's."""

    def shown(self, file: str, *differs: str, **more: object) -> Shown:
        words = "; ".join(filter(None, [self.figure.differs, *self.differs, *differs]))
        return Shown(self.paper, self.figure, file, differs=words, **more)  # type: ignore[arg-type]


def paper_figures(study: Study, have: Iterable[str]) -> list[Shown]:
    """Every figure of every paper of which the study has a system; `have` names the study's figures.

    What the study does not show has a reason. No file is that of two figures.
    """
    names, runs = sorted(have), all_runs(study)
    whole = [run for run in runs if study.models[run.model].training.share == 1]
    figures = []
    for paper in papers().values():
        paper_runs = [run for run in whole if study.models[run.model].architecture in paper.architectures]
        for figure in paper.figures if paper_runs else ():
            if not figure.family:
                figures.append(Shown(paper, figure, reason=NO_RESULT))
                continue
            shown, reasons = [], []
            for setting in _settings(study, paper, figure, paper_runs):
                made, reason = _made(study, setting, names, runs)
                shown += made
                reasons += [reason] if reason and not made else []
            asked = ", ".join(figure.tasks or paper.tasks)
            nowhere = "; ".join(dict.fromkeys(reasons)) or f"this study has no run of the paper's task ({asked})"
            figures += shown or [Shown(paper, figure, reason=nowhere)]
    return figures


def same_task(study: Study, paper: Paper, task: str) -> bool:
    """Whether a study's task is the paper's: of its name, and of as many classes."""
    return paper.tasks.get(task) == len(study.tasks[task].classes)


def _settings(study: Study, paper: Paper, figure: PaperFigure, paper_runs: Sequence[Run]) -> Iterable[_Setting]:
    """A setting for each task of the figure: the paper's tasks, or where the study has none of these, its others."""
    run_tasks = dict.fromkeys(run.task for run in paper_runs)
    tasks = [task for task in paper.tasks if task in run_tasks and same_task(study, paper, task)]
    others = [] if tasks else list(run_tasks)
    asked = [task for task in tasks if not figure.tasks or task in figure.tasks] + others
    for task in asked:
        runs = _of_one_view(study, paper, [run for run in paper_runs if run.task == task])
        main = main_models(study, paper, runs)
        cohort = runs[0].cohort
        differs = []
        if task in others:
            differs.append(f"another task: {task}, {len(study.tasks[task].classes)} classes")
        if not _is_own(study, paper, cohort):
            names = ", ".join(paper.datasets[dataset].name for dataset in paper.trained_on)
            differs.append(f"another cohort: {cohort} (the paper's: {names})")
        start = f"{paper.paper}/{figure.number}_{figure.what}" + (f"_{task}" if len(asked) > 1 else "")
        of_main = tuple(run for run in runs if run.model in main)
        yield _Setting(paper, figure, of_main, tuple(runs), start, tuple(differs))


def _made(
    study: Study, setting: _Setting, names: Sequence[str], targets: Mapping[Run, Sequence[str]]
) -> tuple[list[Shown], str]:
    """What is shown of a setting, and if nothing is, why not."""
    family = setting.figure.family
    if family == "ablation":
        return _ablation(study, setting)
    if family == "robustness":
        return _robustness(study, setting, names)
    if family == "sample_size":
        return _sample_size(study, setting, names)
    if family == "external_confusion":
        return _external(study, setting, targets)
    if family not in DRAWN:
        return _copies(setting, names)
    if family not in BY_PROTOCOL:
        return [setting.shown(setting.start, runs=setting.runs)], ""
    parts = _by_protocol(setting.runs).items()
    return [setting.shown(f"{setting.start}_{protocol}", runs=part) for protocol, part in parts], ""


def _by_protocol(runs: Sequence[Run]) -> dict[str, tuple[Run, ...]]:
    protocols = dict.fromkeys(run.protocol for run in runs)
    return {protocol: tuple(run for run in runs if run.protocol == protocol) for protocol in protocols}


def _external(study: Study, setting: _Setting, targets: Mapping[Run, Sequence[str]]) -> tuple[list[Shown], str]:
    """Confusion on the paper's own external cohort; on others, which are then named, where the study has not that."""
    figures = []
    outside = list(dict.fromkeys(cohort for run in setting.runs for cohort in targets[run] if cohort != run.cohort))
    wanted = {number.target for number in setting.paper.numbers if number.target}
    published = [cohort for cohort in outside if setting.paper.dataset_of(cohort, study.cohorts[cohort]) in wanted]
    for protocol, part in _by_protocol(setting.runs).items():
        for target in published or outside:
            with_it = tuple(run for run in part if target in targets[run])
            words = "" if published else f"another external cohort: {target}"
            if with_it:
                figures.append(
                    setting.shown(f"{setting.start}_{target}_{protocol}", words, runs=with_it, target=target)
                )
    return figures, "" if figures else "this study tests the paper's models on no external cohort"


def _ablation(study: Study, setting: _Setting) -> tuple[list[Shown], str]:
    """The models that differ in what the paper leaves out or changes (`varies`), and in nothing else."""
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(run.model for run in setting.every):
        groups.setdefault(_apart_from(study.models[name], setting.figure.varies), []).append(name)
    main = {run.model for run in setting.runs}
    several = [group for group in groups.values() if len(group) > 1]
    if not several:
        varied = ", ".join(setting.figure.varies)
        return [], f"this study has no two models that differ in nothing but {varied}"
    models = min(several, key=lambda group: (not main & set(group), -len(group)))
    words = "" if main & set(models) else f"about {models[0]}, which is not of the published options"
    return [setting.shown(setting.start, words, runs=tuple(run for run in setting.every if run.model in models))], ""


def _apart_from(model: Model, varies: Sequence[str]) -> str:
    """All that makes a model, without the options (or `loss`) that an ablation changes, as text."""
    training = model.training.model_copy(update={"loss": None} if "loss" in varies else {})
    options = {key: value for key, value in model.options.items() if key not in varies}
    bare = model.model_copy(update={"published": {}, "options": options, "training": None})
    return f"{bare.model_dump_json(warnings=False)} {training.model_dump_json(warnings=False)}"


def _robustness(study: Study, setting: _Setting, names: Sequence[str]) -> tuple[list[Shown], str]:
    """Accuracy of the paper's models under the changes that the figure is about."""
    robustness_runs = set(checked_runs(study, "robustness"))
    runs = [run for run in setting.runs if run in robustness_runs and name_of("robustness", run) in names]
    if not runs:
        return [], "this study changes no pictures for the paper's models"
    levels = study.evaluation.robustness
    there = tuple(perturbation for perturbation in setting.figure.perturbations if getattr(levels, perturbation))
    if not there:
        return [], f"this study has no levels of {', '.join(setting.figure.perturbations)}"
    missing = [perturbation for perturbation in setting.figure.perturbations if perturbation not in there]
    words = f"without {', '.join(missing)}" if missing else ""
    figures = []
    for protocol, part in _by_protocol(runs).items():
        more = {"runs": part, "perturbations": there, "beside": name_of("robustness", part[0])}
        figures.append(setting.shown(f"{setting.start}_{protocol}", words, **more))
    return figures, ""


def _sample_size(study: Study, setting: _Setting, names: Sequence[str]) -> tuple[list[Shown], str]:
    """Figures against the share of the training images, of the paper's models that were trained on several."""
    known = {family for family, _ in shares_of(study.models).values()}
    runs = tuple(run for run in setting.runs if run.model in known and name_of("sample_size", run) in names)
    if not runs:
        return [], "this study trains none of the paper's models on shares of the images"
    return [setting.shown(setting.start, runs=runs, beside=name_of("sample_size", runs[0]))], ""


def _copies(setting: _Setting, names: Sequence[str]) -> tuple[list[Shown], str]:
    """Figures of the study of the figure's family and of the setting's cohort, task, view and protocols."""
    family, copies = setting.figure.family or "", {}
    for run in setting.runs:
        name = name_of(family, run)
        if name in names and name not in copies:
            tail = [getattr(run, part) for part in PARTS[family] if part not in ("cohort", "task")]
            alike = tuple(member for member in setting.runs if name_of(family, member) == name)
            copies[name] = setting.shown("_".join([setting.start, *tail]), source=name, runs=alike)
    return list(copies.values()), "" if copies else NOT_DRAWN


def name_of(family: str, run: Run) -> str:
    """Name of the study's figure of a family that shows a run."""
    return ".".join([family, *(str(getattr(run, part)) for part in PARTS[family])])


def _of_one_view(study: Study, paper: Paper, runs: Sequence[Run]) -> list[Run]:
    """The runs of one cohort and view: the paper's own cohort, then where a model has the published options, then where
    most models are, then a plain view, then the first."""
    pairs = list(dict.fromkeys((run.cohort, run.view) for run in runs))
    published = [number.options for number in paper.numbers if number.architecture]

    def rank(pair: tuple[str, str]) -> tuple[bool, bool, int, bool]:
        models = {run.model for run in runs if (run.cohort, run.view) == pair}
        exact = any(study.models[name].options in published for name in models)
        return not _is_own(study, paper, pair[0]), not exact, -len(models), study.views[pair[1]].kind != "plain"

    best = min(pairs, key=rank)
    return [run for run in runs if (run.cohort, run.view) == best]


def _is_own(study: Study, paper: Paper, cohort: str) -> bool:
    """Whether a cohort is one that the paper trains on."""
    return paper.dataset_of(cohort, study.cohorts[cohort]) in paper.trained_on


def main_models(study: Study, paper: Paper, runs: Sequence[Run]) -> list[str]:
    """Of each architecture of the paper the model that stands for it: options and recipe as published, where any is."""
    models = []
    for architecture in paper.architectures:
        wanted = [number.options for number in paper.numbers if number.architecture == architecture]
        candidates = []
        for position, name in enumerate(dict.fromkeys(run.model for run in runs)):
            model = study.models[name]
            if model.architecture == architecture:
                exact = wanted.index(model.options) if model.options in wanted else len(wanted)
                candidates.append((exact, model.recipe is not None, not model.published, position, name))
        models += [min(candidates)[-1]] if candidates else []
    return models
