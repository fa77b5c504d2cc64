"""What the sweeps and ablations of a study compare: which runs are variants of which."""

from dataclasses import dataclass

from leukoflow.config.changes import VIEW
from leukoflow.config.models import Variant
from leukoflow.config.plan import runs_of
from leukoflow.config.study import Study
from leukoflow.core.runs import Run, is_baseline


@dataclass(frozen=True)
class Ablated:
    """A model as it is, or with one thing left out or changed, on one cohort, task and protocol."""

    experiment: str
    of: str
    """The model as it is."""
    entry: str
    """Name in the experiment's `ablation`; empty for the model as it is."""
    runs: tuple[Run, ...]
    """By fold and seed."""


def ablated(study: Study) -> list[Ablated]:
    """Every model of an experiment with an ablation, as it is on the first view, and then its variants in order."""
    ablations = []
    for name, experiment in study.experiments.items():
        bases = [model for model in experiment.models if not is_baseline(model) and study.models[model].variant is None]
        for protocol in experiment.protocols:
            for of in bases if experiment.ablation else ():
                ablations.append(Ablated(name, of, "", _runs(study, name, experiment.views[0], protocol, of)))
                for entry, changes in experiment.ablation.items():
                    model = of if set(changes) == {VIEW} else f"{of}_{entry}"
                    part = f"{name}_{entry}" if VIEW in changes else name
                    view = study.experiments[part].views[0]
                    ablations.append(Ablated(name, of, entry, _runs(study, part, view, protocol, model)))
    return ablations


def _runs(study: Study, experiment: str, view: str, protocol: str, model: str) -> tuple[Run, ...]:
    wanted = (view, protocol, model)
    return tuple(run for run in runs_of(study, experiment) if (run.view, run.protocol, run.model) == wanted)


def swept(study: Study) -> dict[str, dict[str, Variant]]:
    """By experiment with a sweep, its variants by name."""
    sweeps: dict[str, dict[str, Variant]] = {}
    for name, experiment in study.experiments.items():
        variants = {model: study.models[model].variant for model in experiment.models} if experiment.sweep else {}
        made = {model: variant for model, variant in variants.items() if variant is not None}
        sweeps |= {name: made} if made else {}
    return sweeps
