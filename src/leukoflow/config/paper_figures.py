"""Which figures of the papers a study can show, from what, and under which names."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from leukoflow.config.plan import all_runs
from leukoflow.config.published import Paper, PaperFigure, papers
from leukoflow.config.study import Study
from leukoflow.core.runs import Run

DRAWN = ("confusion", "external_confusion", "learning", "metrics", "ablation", "per_class")
"""Families drawn anew for a paper's own models; any other is a copy of what the study draws."""
BY_PROTOCOL = ("confusion", "external_confusion")
"""Those with a figure for each protocol; the others show all protocols in one."""
NO_RESULT = "a diagram or photographs, no result"
NOT_DRAWN = "this study draws none"


@dataclass(frozen=True)
class Shown:
    """One figure of a paper as this study shows it, or why it does not."""

    paper: Paper
    figure: PaperFigure
    file: str = ""
    """PAPER/NUMBER_WHAT[_TASK][_PROTOCOL], below the folder of figures, without suffix; empty where there is none."""
    source: str = ""
    """Figure of the study that it is a copy of; empty where it is drawn anew."""
    runs: tuple[Run, ...] = ()
    """Runs that it is drawn from."""
    target: str = ""
    """Cohort tested on, where it is not the runs' own."""
    reason: str = ""
    """Why there is none."""

    @property
    def differs(self) -> str:
        """How it differs from the paper's, in words."""
        tasks = {run.task for run in self.runs} - set(self.paper.tasks)
        return "; ".join(
            filter(None, [self.figure.differs, f"another task: {', '.join(sorted(tasks))}" if tasks else ""])
        )


def paper_figures(study: Study, have: Iterable[str]) -> list[Shown]:
    """Every figure of every paper of which the study has a system; `have` names the study's figures."""
    names, runs = sorted(have), all_runs(study)
    whole = [run for run in runs if study.models[run.model].training.share == 1]
    found = []
    for paper in papers().values():
        own = [run for run in whole if study.models[run.model].architecture in paper.architectures]
        for figure in paper.figures if own else ():
            made = list(_shown(study, paper, figure, own, names, runs)) if figure.family else []
            reason = NOT_DRAWN if figure.family else NO_RESULT
            found += made or [Shown(paper, figure, reason=reason)]
    return found


def _shown(
    study: Study,
    paper: Paper,
    figure: PaperFigure,
    own: Sequence[Run],
    names: Sequence[str],
    targets: Mapping[Run, Sequence[str]],
) -> Iterable[Shown]:
    run_tasks = dict.fromkeys(run.task for run in own)
    tasks = [task for task in paper.tasks if task in run_tasks] or list(run_tasks)
    for task in tasks:
        main = main_models(study, paper, [run for run in own if run.task == task])
        shown = [run for run in own if run.task == task and (run.model in main or figure.family == "ablation")]
        shown = _of_one_view(study, shown)
        start = f"{paper.paper}/{figure.number}_{figure.what}" + (f"_{task}" if len(tasks) > 1 else "")
        if figure.family not in DRAWN:
            yield from _copies(study, paper, figure, shown, names, start)
        elif figure.family not in BY_PROTOCOL:
            if figure.family != "ablation" or len({run.model for run in shown}) > 1:
                yield Shown(paper, figure, start, runs=tuple(shown))
        else:
            for protocol in dict.fromkeys(run.protocol for run in shown):
                part = tuple(run for run in shown if run.protocol == protocol)
                if figure.family != "external_confusion":
                    yield Shown(paper, figure, f"{start}_{protocol}", runs=part)
                    continue
                for target in [each for each in targets[part[0]] if each != part[0].cohort]:
                    with_it = tuple(run for run in part if target in targets[run])
                    yield Shown(paper, figure, f"{start}_{target}_{protocol}", runs=with_it, target=target)


def _copies(
    study: Study, paper: Paper, figure: PaperFigure, runs: Sequence[Run], names: Sequence[str], start: str
) -> Iterable[Shown]:
    """Figures of the family that are of the runs' cohort, task, view and protocol, or of an experiment with them."""
    models = {run.model for run in runs}
    parts = {part for run in runs for part in (run.cohort, run.task, run.view, run.protocol)}
    parts |= {name for name, each in study.experiments.items() if models & set(each.models)}
    parts |= models
    for name in names:
        family, *own = name.split(".")
        if family == figure.family and set(own) <= parts:
            tail = [part for part in own if part not in {run.cohort for run in runs} | {run.task for run in runs}]
            yield Shown(paper, figure, "_".join([start, *tail]), name, tuple(runs))


def _of_one_view(study: Study, runs: Sequence[Run]) -> list[Run]:
    """The runs of one cohort and view: where most models are, then a plain view, then the first."""
    places = list(dict.fromkeys((run.cohort, run.view) for run in runs))

    def rank(place: tuple[str, str]) -> tuple[int, bool]:
        models = {run.model for run in runs if (run.cohort, run.view) == place}
        return -len(models), study.views[place[1]].kind != "plain"

    best = min(places, key=rank)
    return [run for run in runs if (run.cohort, run.view) == best]


def main_models(study: Study, paper: Paper, runs: Sequence[Run]) -> list[str]:
    """Of each architecture of the paper the model that stands for it: options and recipe as published, where any is."""
    found = []
    for architecture in paper.architectures:
        wanted = [each.options for each in paper.numbers if each.architecture == architecture]
        candidates = []
        for place, name in enumerate(dict.fromkeys(run.model for run in runs)):
            model = study.models[name]
            if model.architecture == architecture:
                exact = wanted.index(model.options) if model.options in wanted else len(wanted)
                candidates.append((exact, model.recipe is not None, not model.published, place, name))
        found += [min(candidates)[-1]] if candidates else []
    return found
